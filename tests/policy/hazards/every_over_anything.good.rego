# `every` over an empty collection of another kind. Said safely.
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "extra": ["staff"]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	is_array(input.records.person.extra)
	every group in input.records.person.extra {
		group == "staff"
	}
}
