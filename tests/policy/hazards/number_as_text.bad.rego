# A count as a text.
# rule: builtin-can-fail
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if sprintf("%d", [count(running)]) == "0" # refused

running contains notice if {
	some notice in input.records.notices
	notice.until > input.time
}
