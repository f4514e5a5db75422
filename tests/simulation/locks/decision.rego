# METADATA
# title: Locks
# description: Everyone may pass a door that is not locked. What is not there does not lock.
# custom:
#   codes: [DOOR_LOCKED]
package locks

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

allow if input.records.lock == null

reasons := [] if allow

reasons := [{
	"code": "DOOR_LOCKED",
	"article": "",
	"message": {"nl": "Deze deur is op slot.", "en": "This door is locked."},
	"details": {},
}] if {
	not allow
}
