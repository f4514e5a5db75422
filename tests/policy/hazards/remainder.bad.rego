# The remainder of a fraction.
# rule: builtin-can-fail
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "extra": 1.5}, "notices": {}}, "time": 1000}
# strict: OPA gives this allow in its default mode only
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	is_number(input.records.person.extra)
	input.records.person.extra % 2 == 1 # refused
}

allow if input.records.person.level > 2
