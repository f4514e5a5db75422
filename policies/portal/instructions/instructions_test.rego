package portal.instructions_test

import data.portal.example

given(instructions) := example.edit(example.direct, "/records/account/instructions", instructions)

asked(ids) := {{"type": "acknowledge_instruction", "article": "2.4", "id": id} | some id in ids}

test_nothing_to_do if {
	every request in [given([]), example.without(example.direct, "/records/account/instructions")] {
		data.portal.instructions.holds with input as request
		data.portal.instructions.obligations == set() with input as request
		data.portal.instructions.changes == set() with input as request
	}
}

test_each_open_instruction_is_asked_for if {
	request := given([
		{"id": "open", "issued_at": example.now},
		{"id": "done", "issued_at": 1, "acknowledged_at": example.now},
		{"id": "open-too", "issued_at": 1, "acknowledged_at": example.now + 1},
		{"id": "later", "issued_at": example.now + 2},
	])
	data.portal.instructions.holds with input as request
	data.portal.instructions.obligations == asked(["open", "open-too"]) with input as request
	data.portal.instructions.changes == {example.now + 1, example.now + 2} with input as request
}

test_an_instruction_cannot_get_lost if {
	every instruction in [{"issued_at": 1}, {"id": "x"}, {"id": "x", "issued_at": "yesterday"}, null, "x"] {
		not data.portal.instructions.holds with input as given([instruction])
	}
	every value in [null, "", 1, true] {
		not data.portal.instructions.holds with input as given(value)
	}
	not data.portal.instructions.holds with input as given([{"id": "open", "issued_at": 1}])
		with data.portal.instructions.obligations as set()
}

test_nobody_to_instruct if {
	request := example.edit(given([{"id": "open", "issued_at": 1}]), "/subject/properties/authentication/source", "digid")
	data.portal.instructions.obligations == set() with input as request
	not data.portal.instructions.holds with input as request
	not data.portal.instructions.holds with input as example.edit(example.direct, "/records/account", null)
	"ACCOUNT_UNKNOWN" in data.portal.instructions.presumes
	count(data.portal.instructions.reasons) == 0
}
