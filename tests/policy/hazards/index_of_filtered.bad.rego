# The same, the position as a variable.
# rule: filtered-collection
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	some index, until in [until | some notice in notices; until := notice.until] # refused
	index == 0
	until == 1
}

notices := [input.records.notices.a, {"until": 1}]
