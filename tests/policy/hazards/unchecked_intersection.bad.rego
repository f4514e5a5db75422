# Not in both, because it is of another kind.
# rule: filtered-collection
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "extra": ["guest"]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	every group in {"guest"} & {input.records.person.extra} { # refused
		group == "staff"
	}
}
