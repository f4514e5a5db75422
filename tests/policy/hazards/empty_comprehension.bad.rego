# Comparison of a comprehension with the empty array.
# rule: filtered-collection
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": "soon"}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if [id | some id, notice in input.records.notices; to_number(notice.from) > 0] == [] # refused
