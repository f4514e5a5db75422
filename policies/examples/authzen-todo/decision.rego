# METADATA
# title: The todo scenario of the AuthZEN interoperability events
# description: Allowed when the roles of the user say so.
# related_resources:
#   - ref: https://authzen-interop.net/docs/scenarios/todo
#     description: the scenario, its users and its payloads
# custom:
#   codes: [ROLE_MISSING, USER_UNKNOWN]
package todo

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

allow if data.todo.permission.holds == true

reasons := [] if allow

reasons := [reason | some reason in data.todo.permission.reasons] if not allow
