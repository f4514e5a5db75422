package portal.account_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.account.reasons) with input as request

test_active_account if {
	data.portal.account.holds with input as example.direct
	codes(example.direct) == []
}

test_unknown_account if {
	request := example.edit(example.direct, "/records/account", null)
	codes(request) == ["ACCOUNT_UNKNOWN"]
	not data.portal.account.holds with input as request
}

test_closed_or_removed_account if {
	every status in ["closed", "removed"] {
		request := example.edit(example.direct, "/records/account/status", status)
		codes(request) == ["ACCOUNT_CLOSED"]
		not data.portal.account.holds with input as request
	}
}

test_status_of_another_kind_is_no_access if {
	every value in [null, "", true, 1, []] {
		not data.portal.account.holds with input as example.edit(example.direct, "/records/account/status", value)
	}
}

due(request) if {
	data.portal.account.obligations == {{"type": "review_accounts", "article": "2.10"}} with input as request
	data.portal.account.holds with input as request
}

reviewed_at(time) := example.edit(example.direct, "/records/employer/account_review_at", time)

test_review_is_due_after_a_year if {
	year := 365 * example.day
	due(reviewed_at(example.now - year))
	not due(reviewed_at((example.now - year) + 1))
	data.portal.account.changes == {example.now + 1} with input as reviewed_at((example.now - year) + 1)
	data.portal.account.changes == set() with input as reviewed_at(example.now - year)
}

test_review_that_is_not_there_is_due if {
	due(example.without(example.direct, "/records/employer/account_review_at"))
	due(example.edit(example.direct, "/records/employer", null))
	every value in example.not_times {
		not data.portal.account.holds with input as reviewed_at(value)
	}
	not data.portal.account.holds with input as example.edit(example.direct, "/records/employer/kvk", "11111111")
}

test_review_in_the_future_is_not_long_ago if {
	request := reviewed_at(example.now + example.day)
	data.portal.account.holds with input as request
	not due(request)
	data.portal.account.changes == {example.now + (366 * example.day)} with input as request
}

test_no_review_without_an_employer if {
	request := example.edit(reviewed_at(1), "/subject/properties/authentication/source", "digid")
	data.portal.account.obligations == set() with input as request
	not data.portal.account.holds with input as request
	"LOGIN_NOT_EHERKENNING" in data.portal.account.presumes
}
