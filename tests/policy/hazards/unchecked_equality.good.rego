# Equal, because both are null. Said safely.
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {"pass": "abc"}, "records": {"person": {"id": "an", "level": 3, "extra": "abc"}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	is_string(input.records.person.extra)
	input.records.person.extra == input.context.pass
}
