# Two decisions: when the refusal fails, the other one counts.
# rule: can-conflict
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": false, "reasons": []} if running

decision := {"allow": true, "reasons": []} if input.time > 0 # refused

running if {
	some notice in input.records.notices
	notice.until > input.time
}
