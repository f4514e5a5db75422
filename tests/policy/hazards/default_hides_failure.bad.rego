# A default that permits, and a failure that makes it stand in.
# rule: permissive-default
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "since": "yesterday"}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := true # refused

allow := false if time.parse_rfc3339_ns(input.records.person.since) > 0
