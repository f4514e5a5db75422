package certification.access_test

import data.certification.access

ask(subject, action) := {
	"subject": {"type": "user", "id": subject, "properties": {}},
	"action": {"name": action, "properties": {}},
	"resource": {"type": "record", "id": "record-1", "properties": {}},
	"records": {
		"user": {"id": subject, "properties": {}},
		"record": {
			"id": "record-1",
			"properties": {"status": "active"},
			"access": [{"user": "alice", "actions": ["read", "write"]}, {"user": "bob", "actions": ["read"]}],
		},
	},
}

test_rules_1_2_and_3 if {
	every asked in [ask("alice", "read"), ask("alice", "write"), ask("bob", "read")] {
		access.holds with input as asked
		access.reasons == set() with input as asked
	}
}

test_rule_4 if {
	asked := ask("bob", "write")
	not access.holds with input as asked
	{reason.code | some reason in access.reasons with input as asked} == {"ACTION_NOT_GRANTED"}
}

test_administrator_may_write_what_is_archived if {
	asked := object.union(ask("bob", "write"), {
		"subject": {"properties": {"role": "admin"}},
		"resource": {"properties": {"status": "archived"}},
	})
	access.holds with input as asked
}

test_no_reason_about_what_is_unknown if {
	asked := object.union(ask("mallory", "read"), {"records": {"user": null}})
	not access.holds with input as asked
	access.reasons == set() with input as asked
}
