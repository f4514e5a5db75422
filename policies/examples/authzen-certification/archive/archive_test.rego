package certification.archive_test

import data.certification.archive

# Somebody asks to write; `known` is what is stored, `told` what the request says.
ask(known, told) := {
	"subject": {"type": "user", "id": "alice", "properties": told.subject},
	"action": {"name": "write", "properties": {}},
	"resource": {"type": "record", "id": "record-1", "properties": told.resource},
	"records": {
		"user": {"id": "alice", "properties": known.user},
		"record": {"id": "record-1", "properties": known.record, "access": []},
	},
}

active := {"user": {}, "record": {"status": "active"}}

archived := {"user": {}, "record": {"status": "archived"}}

silent := {"subject": {}, "resource": {}}

codes(asked) := {reason.code | some reason in archive.reasons with input as asked}

test_active_is_written_to if {
	asked := ask(active, silent)
	archive.holds with input as asked
	codes(asked) == set()
}

test_rule_5 if {
	every asked in [
		ask(archived, silent),
		ask(active, {"subject": {}, "resource": {"status": "archived"}}),
		ask(active, {"subject": {}, "resource": {"status": "gone"}}),
		ask(active, {"subject": {}, "resource": {"status": null}}),
		ask(archived, {"subject": {"role": ["admin"]}, "resource": {}}),
	] {
		not archive.holds with input as asked
		codes(asked) == {"RECORD_ARCHIVED"}
	}
}

test_rule_6 if {
	every asked in [
		ask(archived, {"subject": {"role": "admin"}, "resource": {}}),
		ask(active, {"subject": {"role": "admin"}, "resource": {"status": "archived"}}),
		ask({"user": {"role": "admin"}, "record": {"status": "archived"}}, silent),
	] {
		archive.holds with input as asked
	}
}

test_role_of_the_request_goes_first if {
	asked := ask({"user": {"role": "admin"}, "record": {"status": "archived"}}, {"subject": {"role": "clerk"}, "resource": {}})
	not archive.holds with input as asked
}

test_reading_is_no_matter_of_the_archive if {
	archive.holds with input as object.union(ask(archived, silent), {"action": {"name": "read"}})
}

test_no_reason_about_a_record_that_is_unknown if {
	asked := object.union(ask(archived, silent), {"records": {"record": null}})
	not archive.holds with input as asked
	codes(asked) == set()
}
