package todo.permission_test

import data.todo.permission

ask(roles, action, owner) := {
	"subject": {"type": "user", "id": "1", "properties": {}},
	"action": {"name": action, "properties": {}},
	"resource": {"type": "todo", "id": "7", "properties": {"ownerID": owner}},
	"records": {"user": {"identity": "1", "email": "me@example.com", "roles": roles}},
}

test_what_each_role_may_do_to_what_is_another_s if {
	expected := {
		"viewer": {"can_read_user", "can_read_todos"},
		"editor": {"can_read_user", "can_read_todos", "can_create_todo"},
		"admin": {"can_read_user", "can_read_todos", "can_create_todo", "can_delete_todo"},
		"evil_genius": {"can_read_user", "can_read_todos", "can_create_todo", "can_update_todo"},
	}
	every role, actions in expected {
		actions == {action |
			some action in ["can_read_user", "can_read_todos", "can_create_todo", "can_update_todo", "can_delete_todo"]
			permission.holds with input as ask([role], action, "you@example.com")
		}
	}
}

test_editors_change_their_own if {
	every action in ["can_update_todo", "can_delete_todo"] {
		permission.holds with input as ask(["editor"], action, "me@example.com")
		not permission.holds with input as ask(["viewer"], action, "me@example.com")
		not permission.holds with input as ask([], action, "me@example.com")
	}
}

test_reasons if {
	asked := ask(["viewer"], "can_create_todo", "me@example.com")
	{reason.code | some reason in permission.reasons with input as asked} == {"ROLE_MISSING"}
	unknown := object.union(asked, {"records": {"user": null}})
	{reason.code | some reason in permission.reasons with input as unknown} == {"USER_UNKNOWN"}
	permission.reasons == set() with input as ask(["editor"], "can_create_todo", "me@example.com")
}
