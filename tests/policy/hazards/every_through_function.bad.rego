# The same, the collection handed to a function.
# rule: filtered-collection
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "passes": [{"until": "tomorrow"}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if all_valid([pass | some pass in input.records.person.passes; to_number(pass.until) > 0])

all_valid(passes) if {
	every pass in passes { # refused
		pass.until > input.time
	}
}
