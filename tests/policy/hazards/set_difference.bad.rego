# An element that failed is not subtracted.
# rule: set-difference
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "since": "yesterday", "groups": ["staff"]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if "staff" in ({"staff", "guest"} - banned) # refused

banned contains group if {
	some group in input.records.person.groups
	to_number(input.records.person.since) > 0
}
