# Two values under one key: the last one counts.
# rule: duplicate-key
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": false, "allow": true, "reasons": []} if not running # refused

running if {
	some notice in input.records.notices
	notice.until > input.time
}
