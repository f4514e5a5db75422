# The same, the collection handed to a function. Said safely.
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "passes": [{"until": 2000}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if all_valid(input.records.person.passes)

all_valid(passes) if {
	every pass in passes {
		pass.until > input.time
	}
}
