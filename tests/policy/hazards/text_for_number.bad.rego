# A text where a number belongs: OPA orders it after every number.
# rule: unchecked-comparison
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3}, "notices": {"a": {"from": 1, "level": "none"}}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	every notice in input.records.notices {
		notice.level > 3 # refused
	}
}
