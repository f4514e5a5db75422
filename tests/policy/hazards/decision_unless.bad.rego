# A decision that allows unless something is found.
# rule: negation
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "since": "yesterday"}, "notices": {}}, "time": 1000}
package door

decision := refusal if denied

decision := permission if not denied # refused

refusal := {"allow": false, "reasons": []}

permission := {"allow": true, "reasons": []}

denied if to_number(input.records.person.since) > 0
