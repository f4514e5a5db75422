package certification.deletion_test

import data.certification.deletion

ask(properties) := {"action": {"name": "delete", "properties": properties}}

test_rule_7 if {
	deletion.holds with input as ask({"soft": true})
	deletion.reasons == set() with input as ask({"soft": true})
}

test_rule_8 if {
	every properties in [{"soft": false}, {}, {"soft": "true"}, {"soft": null}, {"soft": 1}] {
		not deletion.holds with input as ask(properties)
		codes := {reason.code | some reason in deletion.reasons with input as ask(properties)}
		codes == {"HARD_DELETE_REFUSED"}
	}
}

test_other_actions_are_no_deletion if {
	deletion.holds with input as {"action": {"name": "read", "properties": {}}}
}
