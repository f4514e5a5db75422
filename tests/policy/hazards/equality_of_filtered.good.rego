# Equality with a collection that may lack elements. Said safely.
# allows: {"subject": {"type": "user", "id": "an"}, "records": {"person": {"id": "an", "level": 3, "passes": [{"kind": "staff", "until": 2000}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	every pass in input.records.person.passes {
		pass.kind == "staff"
		pass.until > input.time
	}
}
