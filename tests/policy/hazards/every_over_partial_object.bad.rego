# The same with a partial object.
# rule: can-conflict
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "passes": [{}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	every until in ends {
		until > input.time
	}
}

ends[number] := pass.until if some number, pass in input.records.person.passes # refused
