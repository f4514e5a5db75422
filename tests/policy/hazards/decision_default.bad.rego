# A decision that allows by default.
# rule: permissive-default
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "since": "yesterday"}, "notices": {}}, "time": 1000}
package door

default decision := {"allow": true, "reasons": []} # refused

decision := {"allow": false, "reasons": []} if to_number(input.records.person.since) > 0
