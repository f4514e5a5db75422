# A decision that allows by default. Said safely.
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {}}, "time": 1000}
package door

default decision := {"allow": false, "reasons": []}

decision := {"allow": true, "reasons": []} if input.records.person.level > 0
