# METADATA
# title: AuthZEN certification scenario
# description: >-
#   The decision of the certification scenario. Allowed when every group of rules says that it holds; a denial
#   carries the reasons of the groups that do not.
# related_resources:
#   - ref: https://openid.github.io/authzen/authorization-api-1_0-certification-scenario.html
#     description: the scenario and its eight rules
# custom:
#   codes: [ACTION_NOT_GRANTED, ACTION_UNKNOWN, HARD_DELETE_REFUSED, RECORD_ARCHIVED, RECORD_UNKNOWN, SUBJECT_UNKNOWN]
package certification

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

allow if {
	data.certification.known.holds == true
	data.certification.access.holds == true
	data.certification.archive.holds == true
	data.certification.deletion.holds == true
}

reasons := [] if allow

reasons := [reason |
	some group in [
		data.certification.access.reasons,
		data.certification.archive.reasons,
		data.certification.deletion.reasons,
		data.certification.known.reasons,
	]
	some reason in group
] if {
	not allow
}
