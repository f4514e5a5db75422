# The same in a partial object.
# rule: can-conflict
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if states.a == "open"

states[id] := "closed" if { # refused
	some id, notice in input.records.notices
	notice.until > input.time
}

states[id] := "open" if some id, _ in input.records.notices
