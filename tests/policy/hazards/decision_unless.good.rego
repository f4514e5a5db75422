# A decision that allows unless something is found. Said safely.
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {}}, "time": 1000}
package door

decision := permission

decision := refusal if not permission

refusal := {"allow": false, "reasons": []}

permission := {"allow": true, "reasons": []} if input.records.person.level > 0
