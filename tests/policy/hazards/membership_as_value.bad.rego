# The answer to a membership test, taken for a fact.
# rule: fallback-compared
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if blocked in {false} # refused

blocked := "a" in ids

ids contains id if {
	some id, notice in input.records.notices
	notice.until > input.time
}
