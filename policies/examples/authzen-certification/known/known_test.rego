package certification.known_test

import data.certification.known

fixture := {
	"subject": {"type": "user", "id": "alice", "properties": {}},
	"action": {"name": "read", "properties": {}},
	"resource": {"type": "record", "id": "record-1", "properties": {}},
	"records": {"user": {"id": "alice", "properties": {}}, "record": {"id": "record-1", "properties": {}, "access": []}},
}

codes(asked) := {reason.code | some reason in known.reasons with input as asked}

test_fixture_is_known if {
	known.holds with input as fixture
	codes(fixture) == set()
}

test_subject_without_record_is_unknown if {
	asked := object.union(fixture, {"records": {"user": null}})
	not known.holds with input as asked
	codes(asked) == {"SUBJECT_UNKNOWN"}
}

test_subject_of_another_type_is_unknown if {
	asked := object.union(fixture, {"subject": {"type": "service"}})
	not known.holds with input as asked
	codes(asked) == {"SUBJECT_UNKNOWN"}
}

test_resource_without_record_is_unknown if {
	asked := object.union(fixture, {"records": {"record": null}})
	not known.holds with input as asked
	codes(asked) == {"RECORD_UNKNOWN"}
}

test_resource_of_another_type_is_unknown if {
	asked := object.union(fixture, {"resource": {"type": "folder"}})
	codes(asked) == {"RECORD_UNKNOWN"}
}

test_other_action_is_unknown if {
	asked := object.union(fixture, {"action": {"name": "print"}})
	not known.holds with input as asked
	codes(asked) == {"ACTION_UNKNOWN"}
}
