# A text that is searched for and may be empty.
# rule: builtin-can-fail
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {}}, "time": 1000}
# strict: OPA gives this allow in its default mode only
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if indexof(input.subject.id, input.resource.id) > 5 # refused

allow if input.records.person.level > 2
