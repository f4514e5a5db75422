# Something to fall back on, merged.
# rule: builtin-can-fail
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if object.union({"until": 0}, input.records.notices.a).until <= input.time # refused
