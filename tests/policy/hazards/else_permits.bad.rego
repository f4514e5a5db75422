# An `else` that permits when what stands before it fails.
# rule: permissive-else
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "since": "yesterday"}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

allow := false if {
	to_number(input.records.person.since) > 0
} else := true # refused
