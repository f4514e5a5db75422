package certification.decision_test

alice := {"id": "alice", "properties": {}}

bob := {"id": "bob", "properties": {"role": "admin"}}

record_1 := {
	"id": "record-1",
	"properties": {"status": "active"},
	"access": [{"user": "alice", "actions": ["read", "write", "delete"]}, {"user": "bob", "actions": ["read"]}],
}

ask(user, action, record) := {
	"subject": {"type": "user", "id": user.id, "properties": {}},
	"action": {"name": action, "properties": {}},
	"resource": {"type": "record", "id": "record-1", "properties": {}},
	"context": {},
	"records": {"user": user, "record": record},
}

test_allowed if {
	data.certification.decision == {
		"allow": true,
		"reasons": [],
		"obligations": [],
		"notices": [],
		"accountable": null,
		"valid_until": null,
	} with input as ask(alice, "read", record_1)
}

test_denied_with_its_reason if {
	result := data.certification.decision with input as ask(bob, "write", record_1)
	result.allow == false
	[reason.code | some reason in result.reasons] == ["ACTION_NOT_GRANTED"]
}

test_denied_for_several_reasons if {
	result := data.certification.decision with input as ask(bob, "delete", record_1)
	[reason.code | some reason in result.reasons] == ["ACTION_NOT_GRANTED", "HARD_DELETE_REFUSED"]
}

test_a_group_that_does_not_say_true_is_a_denial if {
	asked := ask(alice, "read", record_1)
	every answer in [false, "yes", 1, null] {
		not data.certification.decision.allow with input as asked with data.certification.known.holds as answer
		not data.certification.decision.allow with input as asked with data.certification.access.holds as answer
		not data.certification.decision.allow with input as asked with data.certification.archive.holds as answer
		not data.certification.decision.allow with input as asked with data.certification.deletion.holds as answer
	}
}

# A denial that gives no reason is what the host turns into POLICY_ERROR.
test_silent_denial_has_no_reason if {
	result := data.certification.decision with input as ask(alice, "read", record_1)
		with data.certification.deletion.holds as false
		with data.certification.deletion.reasons as set()
	result.allow == false
	result.reasons == []
}
