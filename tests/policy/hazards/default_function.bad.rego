# The same with the default of a function.
# rule: fallback-compared
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "since": "yesterday"}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if blocked(input.records.person) == false # refused

default blocked(_) := false

blocked(person) if to_number(person.since) > 0
