# Equality with a collection that may lack elements.
# rule: filtered-collection
# allows: {"subject": {"type": "user", "id": "an"}, "records": {"person": {"id": "an", "level": 3, "passes": [{"kind": "staff", "until": 2000}, {"kind": "banned"}]}, "notices": {}}, "time": 1000}
package door

decision := {"allow": allow, "reasons": []}

default allow := false

allow if {
	kinds == {"staff"} # refused
}

kinds contains pass.kind if {
	some pass in input.records.person.passes
	pass.until > input.time
}
