# A variable that only an output argument could give a value.
# rule: unknown-form
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	walk(input.records.notices, [path, number]) # refused
	path == ["a", "from"] # refused
	number < input.time # refused
}
