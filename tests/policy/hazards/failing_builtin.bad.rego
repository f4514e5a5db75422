# A built-in that fails on data nobody checked: without strict mode the other way in stays open.
# rule: builtin-can-fail
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "extra": "yesterday"}, "notices": {}}, "time": 1000}
# strict: OPA gives this allow in its default mode only
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if to_number(input.records.person.extra) > 3 # refused

allow if input.records.person.level > 2
