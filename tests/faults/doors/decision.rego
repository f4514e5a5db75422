# METADATA
# title: Doors
# description: A door that is open, in a ward that is open, lets everyone pass.
# custom:
#   codes: [DOOR_CLOSED, WARD_CLOSED, IMPOSSIBLE]
package doors

# METADATA
# title: The decision
# entrypoint: true
decision := {
	"allow": allow,
	"reasons": [reason | some code in codes; reason := object.union({"code": code}, text)],
	"obligations": [],
	"notices": [],
	"accountable": null,
	"valid_until": null,
}

default allow := false

allow if {
	input.records.door.open == true
	input.records.ward.open == true
}

codes contains "DOOR_CLOSED" if not input.records.door.open == true

codes contains "WARD_CLOSED" if not input.records.ward.open == true

# A request may ask for an evaluation that takes long: `effort` squared steps that come to nothing.
codes contains "IMPOSSIBLE" if {
	some i in numbers.range(1, input.resource.properties.effort)
	some j in numbers.range(1, input.resource.properties.effort)
	i * j < 0
}

text := {"article": "", "message": {"nl": "Hier is dicht.", "en": "It is closed."}, "details": {}}
