package portal.block_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.block.reasons) with input as request

allowed(request) if {
	data.portal.block.holds with input as request
	codes(request) == []
}

blocked(request) if {
	not data.portal.block.holds with input as request
	codes(request) == ["ACCOUNT_BLOCKED"]
}

open_ended := {"ground": "misuse", "from": example.now}

subjects := ["account", "organisation", "employer"]

on(request, subject, block) := example.edit(request, concat("", ["/records/", subject, "_block"]), block)

test_no_block if allowed(example.direct)

test_each_subject if {
	every subject in subjects {
		every request in [example.direct, example.mediated, example.own_page("close_account")] {
			blocked(on(request, subject, open_ended))
		}
		details := {reason.details | some reason in data.portal.block.reasons} with input as on(
			example.direct,
			subject,
			open_ended,
		)
		details == {{"subject": subject, "ground": "misuse"}}
	}
}

test_from_its_beginning_to_its_end if {
	every subject in subjects {
		allowed(on(example.direct, subject, {"ground": "misuse", "from": example.now + 1}))
		blocked(on(example.direct, subject, {"ground": "misuse", "from": 1, "until": example.now + 1}))
		allowed(on(example.direct, subject, {"ground": "misuse", "from": 1, "until": example.now}))
	}
}

test_until_is_told if {
	request := on(example.direct, "account", {"ground": "misuse", "from": 1, "until": example.now + 1})
	details := {reason.details | some reason in data.portal.block.reasons} with input as request
	details == {{"subject": "account", "ground": "misuse", "until": example.now + 1}}
}

test_article_by_ground if {
	every ground, article in {"third_party_report": "4.5", "misuse": "4.6", "suspected_misuse": "4.6"} {
		request := on(example.direct, "account", {"ground": ground, "from": 1})
		found := {reason.article | some reason in data.portal.block.reasons} with input as request
		found == {article}
	}
}

test_every_block_is_a_reason if {
	request := on(on(example.direct, "account", open_ended), "employer", open_ended)
	codes(request) == ["ACCOUNT_BLOCKED", "ACCOUNT_BLOCKED"]
}

test_malformed_block_is_no_access if {
	every value in example.not_times {
		not data.portal.block.holds with input as on(example.direct, "account", {"ground": "misuse", "from": value})
		not data.portal.block.holds with input as on(example.direct, "account", object.union(open_ended, {"until": value}))
	}
	every value in ["", false, 0, [], {}] {
		not data.portal.block.holds with input as on(example.direct, "account", value)
	}
	every subject in subjects {
		path := concat("", ["/records/", subject, "_block"])
		not data.portal.block.holds with input as example.without(example.direct, path)
	}
}

test_without_a_login_only_the_accounts_own_block_is_told if {
	stranger := example.edit(example.direct, "/subject/properties/authentication/source", "digid")
	blocked(on(stranger, "account", open_ended))
	every subject in ["organisation", "employer"] {
		request := on(stranger, subject, open_ended)
		codes(request) == []
		not data.portal.block.holds with input as request
	}
	count(data.portal.block.presumes) == 2
}

test_moments if {
	now := example.now
	request := on(
		on(example.direct, "account", {"ground": "misuse", "from": 1, "until": now + 5}),
		"employer",
		{"ground": "misuse", "from": now + 3, "until": now + 9},
	)
	data.portal.block.changes == {now + 3, now + 5, now + 9} with input as request
	over := on(example.direct, "account", {"ground": "misuse", "from": now + 3, "until": now})
	data.portal.block.changes == set() with input as over
}
