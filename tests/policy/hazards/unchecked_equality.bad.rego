# Equal, because both are null.
# rule: unchecked-comparison
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {"pass": null}, "records": {"person": {"id": "an", "level": 3, "extra": null}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if input.records.person.extra == input.context.pass # refused
