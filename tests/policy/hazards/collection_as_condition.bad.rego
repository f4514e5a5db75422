# A collection as a condition: it is true when it is empty.
# rule: emptiness
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "passes": []}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if valid # refused

valid contains pass if {
	some pass in input.records.person.passes
	pass.until > input.time
}
