package todo.decision_test

ask(roles) := {
	"subject": {"type": "user", "id": "1", "properties": {}},
	"action": {"name": "can_create_todo", "properties": {}},
	"resource": {"type": "todo", "id": "7", "properties": {}},
	"context": {},
	"records": {"user": {"identity": "1", "email": "me@example.com", "roles": roles}},
}

test_allowed if {
	data.todo.decision == {
		"allow": true,
		"reasons": [],
		"obligations": [],
		"notices": [],
		"accountable": null,
		"valid_until": null,
	} with input as ask(["editor"])
}

test_denied_with_its_reason if {
	result := data.todo.decision with input as ask(["viewer"])
	result.allow == false
	[reason.code | some reason in result.reasons] == ["ROLE_MISSING"]
}

test_a_permission_that_does_not_say_true_is_a_denial if {
	every answer in [false, "yes", 1, null] {
		not data.todo.decision.allow with input as ask(["editor"]) with data.todo.permission.holds as answer
	}
}
