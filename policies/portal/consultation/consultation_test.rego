package portal.consultation_test

import data.portal.example

consulted_at(time) := example.edit(example.direct, "/records/account/consulted_at", time)

told(request) if {
	data.portal.consultation.notices == {{"type": "consult_portal", "article": "2.8"}} with input as request
	data.portal.consultation.holds with input as request
}

test_told_after_thirty_days if {
	month := 30 * example.day
	told(consulted_at(example.now - month))
	not told(consulted_at((example.now - month) + 1))
	data.portal.consultation.holds with input as consulted_at((example.now - month) + 1)
	data.portal.consultation.changes == {example.now + 1} with input as consulted_at((example.now - month) + 1)
	data.portal.consultation.changes == set() with input as consulted_at(example.now - month)
}

test_a_visit_that_is_not_there if {
	told(example.without(example.direct, "/records/account/consulted_at"))
	not told(consulted_at(example.now + 1))
	every value in example.not_times {
		not data.portal.consultation.holds with input as consulted_at(value)
	}
}

test_nobody_to_tell if {
	request := example.edit(example.direct, "/records/account", null)
	data.portal.consultation.notices == set() with input as request
	not data.portal.consultation.holds with input as request
	"ACCOUNT_UNKNOWN" in data.portal.consultation.presumes
	count(data.portal.consultation.reasons) == 0
}
