# METADATA
# title: Doors
# description: A door that is open lets everyone pass.
# custom:
#   codes: [DOOR_CLOSED]
package doors

# METADATA
# title: The decision
# entrypoint: true
decision := {
	"allow": allow,
	"reasons": reasons,
	"obligations": [],
	"notices": [],
	"accountable": null,
	"valid_until": null,
}

default allow := false

allow if input.records.door.open == true

reasons := [] if allow

reasons := [{
	"code": "DOOR_CLOSED",
	"article": "",
	"message": {"nl": "Deze deur is dicht.", "en": "This door is closed."},
	"details": {},
}] if {
	not allow
}
