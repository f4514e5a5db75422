# A decision that has the name of a rule which permits nothing.
# rule: negation
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := found if {
	found := {"allow": true, "reasons": []}
	not running # refused
}

found := {"allow": false, "reasons": []}

running if {
	some notice in input.records.notices
	notice.until > input.time
}
