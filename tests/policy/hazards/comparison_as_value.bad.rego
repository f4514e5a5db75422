# The answer to a comparison, and its false taken for a fact.
# rule: fallback-compared
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if blocked == false # refused

blocked := count(running) > 0

running contains notice if {
	some notice in input.records.notices
	notice.until > input.time
}
