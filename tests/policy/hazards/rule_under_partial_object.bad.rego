# A rule under the name of a partial object.
# rule: unknown-form
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if checks.okay # refused

checks[name] := true if some name in ["first"]

checks.okay if not running

running if {
	some notice in input.records.notices
	notice.until > input.time
}
