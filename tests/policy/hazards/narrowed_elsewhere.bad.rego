# A condition on another variable of the same name.
# rule: unchecked-comparison
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "extra": ["never"]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	moment := input.time
	is_number(moment)
	is_array(input.records.person.extra)
	every moment in input.records.person.extra {
		moment > input.time # refused
	}
}
