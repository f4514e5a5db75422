# Of no kind that was asked for.
# rule: fallback-compared
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "extra": ["guest"]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if is_string(input.records.person.extra) == false # refused
