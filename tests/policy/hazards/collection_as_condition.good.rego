# A collection as a condition: it is true when it is empty. Said safely.
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "passes": [{"until": 2000}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if some _ in valid

valid contains pass if {
	some pass in input.records.person.passes
	pass.until > input.time
}
