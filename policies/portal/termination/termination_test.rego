package portal.termination_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.termination.reasons) with input as request

allowed(request) if {
	data.portal.termination.holds with input as request
	codes(request) == []
}

ended(request) if {
	not data.portal.termination.holds with input as request
	codes(request) == ["ACCESS_TERMINATED"]
}

whole(ground) := {"ground": ground, "services": "*", "from": example.now}

subjects := ["account", "organisation", "employer"]

on(request, subject, termination) := example.edit(request, concat("", ["/records/", subject, "_termination"]), termination)

# Article 2.1: of unlimited duration.
test_access_does_not_expire_by_itself if {
	allowed(example.direct)
	allowed(example.edit(example.direct, "/time", example.now + (36500 * example.day)))
	count(data.portal.termination.changes) == 0 with input as example.direct
}

test_each_subject if {
	every subject in subjects {
		every request in [example.direct, example.mediated, example.own_page("read")] {
			ended(on(request, subject, whole("misuse")))
		}
	}
	request := on(example.direct, "account", whole("special_circumstances"))
	details := {reason.details | some reason in data.portal.termination.reasons} with input as request
	details == {{"ground": "special_circumstances", "services": "*"}}
}

test_from_its_moment if {
	every subject in subjects {
		later := on(example.direct, subject, object.union(whole("misuse"), {"from": example.now + 1}))
		allowed(later)
		data.portal.termination.changes == {example.now + 1} with input as later
	}
}

partly(services) := {"ground": "misuse", "services": services, "from": example.now}

test_some_webdiensten if {
	ended(on(example.direct, "account", partly(["iets-anders", "ziekmelden"])))
	allowed(on(example.direct, "account", partly(["iets-anders"])))
	allowed(on(example.own_page("read"), "account", partly(["ziekmelden"])))
	later := on(example.direct, "account", {"ground": "misuse", "services": ["iets-anders"], "from": example.now + 1})
	count(data.portal.termination.changes) == 0 with input as later
}

test_rejected_terms_leave_some_pages_open if {
	every action in ["close_account", "reject_terms"] {
		allowed(on(example.own_page(action), "account", whole("terms_rejected")))
		ended(on(example.own_page(action), "account", whole("misuse")))
		ended(on(on(example.own_page(action), "account", whole("terms_rejected")), "employer", whole("misuse")))
	}
	every action in ["read", "accept_terms", "update_profile", "manage_accounts"] {
		ended(on(example.own_page(action), "account", whole("terms_rejected")))
	}
	ended(on(example.edit(example.direct, "/action/name", "close_account"), "account", whole("terms_rejected")))
}

test_malformed_termination_is_no_access if {
	every value in example.not_times {
		request := on(example.direct, "account", object.union(whole("misuse"), {"from": value}))
		not data.portal.termination.holds with input as request
	}
	every services in [null, "", [], {}, "iets-anders", [1]] {
		not data.portal.termination.holds with input as on(example.direct, "account", partly(services))
	}
	every value in ["", false, 0, [], {}] {
		not data.portal.termination.holds with input as on(example.direct, "account", value)
	}
	every subject in subjects {
		path := concat("", ["/records/", subject, "_termination"])
		not data.portal.termination.holds with input as example.without(example.direct, path)
	}
}

test_without_a_login_only_the_accounts_own_is_told if {
	stranger := example.edit(example.direct, "/subject/properties/authentication/source", "digid")
	ended(on(stranger, "account", whole("misuse")))
	every subject in ["organisation", "employer"] {
		request := on(stranger, subject, whole("misuse"))
		codes(request) == []
		not data.portal.termination.holds with input as request
	}
	count(data.portal.termination.presumes) == 2
}
