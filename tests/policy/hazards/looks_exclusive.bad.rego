# Two values whose conditions only look as if they excluded each other.
# rule: can-conflict
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}, "b": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if state == "open"

state := "closed" if {
	input.records.notices[id].until > input.time
	id == "a"
}

state := "open" if { # refused
	input.records.notices[id].from < input.time
	id == "b"
}
