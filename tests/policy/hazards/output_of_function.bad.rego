# The same with a function of the policy.
# rule: unknown-form
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	some notice in input.records.notices
	runs(notice, false) # refused
}

runs(notice) if {
	notice.until > input.time
} else := false
