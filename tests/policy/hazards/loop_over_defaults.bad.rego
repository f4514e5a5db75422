# The default of a function, asked for in a loop.
# rule: fallback-compared
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	some notice in input.records.notices
	found := runs(notice)
	found in [false] # refused
}

default runs(_) := false

runs(notice) if notice.until > input.time
