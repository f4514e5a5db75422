# The same with `<`, and through a variable.
# rule: emptiness
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}, "b": {"from": 2, "until": 3}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	number := count(running)
	number < 2 # refused
}

running contains notice.until if some notice in input.records.notices
