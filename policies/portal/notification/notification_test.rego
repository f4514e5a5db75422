package portal.notification_test

import data.portal.example

asked := {{"type": "supply_notification_email", "article": "2.5"}}

test_supplied if {
	data.portal.notification.holds with input as example.direct
	data.portal.notification.obligations == set() with input as example.direct
}

test_not_supplied_is_asked_for if {
	path := "/records/account/notification_email"
	every request in [
		example.without(example.direct, path),
		example.edit(example.direct, path, false),
	] {
		data.portal.notification.holds with input as request
		data.portal.notification.obligations == asked with input as request
		not data.portal.notification.holds with input as request with data.portal.notification.obligations as set()
	}
}

test_malformed_answer_is_none if {
	every value in [null, "", "yes", 1, [], {}] {
		request := example.edit(example.direct, "/records/account/notification_email", value)
		not data.portal.notification.holds with input as request
	}
}

test_nobody_to_ask if {
	request := example.edit(example.direct, "/records/account", null)
	data.portal.notification.obligations == set() with input as request
	not data.portal.notification.holds with input as request
	"ACCOUNT_UNKNOWN" in data.portal.notification.presumes
	count(data.portal.notification.reasons) == 0
}
