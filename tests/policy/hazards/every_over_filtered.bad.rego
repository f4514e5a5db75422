# `every` over a filtered comprehension: what fails is not asked.
# rule: filtered-collection
# allows: {"subject": {"type": "user", "id": "an", "properties": {}}, "action": {"name": "enter", "properties": {}}, "resource": {"type": "door", "id": "1", "properties": {}}, "context": {}, "records": {"person": {"id": "an", "level": 3, "passes": [{"until": "tomorrow"}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	every until in [until | some pass in input.records.person.passes; until := to_number(pass.until)] { # refused
		until > input.time
	}
}
