package portal.terms_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.terms.reasons) with input as request

said(entries) := example.edit(example.direct, "/records/account/terms", entries)

accepted := {"version": "4.1", "accepted_at": example.now - (300 * example.day)}

allowed(request) if {
	data.portal.terms.holds with input as request
	codes(request) == []
}

not_accepted(request) if {
	codes(request) == ["TERMS_NOT_ACCEPTED"]
	not data.portal.terms.holds with input as request
}

rejected(request) if {
	codes(request) == ["TERMS_REJECTED"]
	not data.portal.terms.holds with input as request
}

test_an_earlier_version_binds_to_the_later_ones if {
	allowed(example.direct)
	data.portal.terms.changes == set() with input as example.direct
	data.portal.terms.notices == set() with input as example.direct
}

test_no_accepted_version if {
	every request in [
		said([]),
		example.without(example.direct, "/records/account/terms"),
		said([{"version": "9.9", "accepted_at": 1}]),
		said([{"version": "4.1", "accepted_at": example.now + 1}]),
	] {
		not_accepted(request)
		data.portal.terms.obligations == {{
			"type": "accept_terms",
			"article": "2.3",
			"version": "4.2",
			"url": "https://www.example.nl/voorwaarden/4.2",
		}} with input as request
	}
	data.portal.terms.changes == {example.now + 1} with input as said([{"version": "4.1", "accepted_at": example.now + 1}])
}

test_malformed_acceptance_is_none if {
	every value in example.not_times {
		not_accepted(said([{"version": "4.1", "accepted_at": value}]))
	}
	every value in ["", null, 4.1, []] {
		not_accepted(said([{"version": value, "accepted_at": 1}]))
	}
	not_accepted(said([{"version": "4.1"}]))
	not data.portal.terms.holds with input as said([{"version": "4.1", "accepted_at": 1, "rejected_at": 1}])
}

test_the_version_in_force_is_the_latest_effective_one if {
	in_force(-1) == "4.1"
	in_force(0) == "4.2"
	not data.portal.terms.in_force with input as {"time": 1, "records": {"terms": example.direct.records.terms}}
	nothing := example.edit(said([]), "/records/terms", {})
	not_accepted(nothing)
	data.portal.terms.obligations == set() with input as nothing
}

in_force(after) := version if {
	time := example.direct.records.terms["4.2"].effective_at + after
	version := data.portal.terms.in_force with input as example.edit(example.direct, "/time", time)
}

# Version 4.2, rejected so long after its publication, after 4.1 was accepted.
rejected_after(moment) := request if {
	published := example.direct.records.terms["4.2"].published_at
	request := said([accepted, {"version": "4.2", "rejected_at": published + moment}])
}

test_a_rejection_counts_within_six_weeks_of_publication if {
	window := 42 * example.day
	allowed(rejected_after(-1))
	rejected(rejected_after(0))
	rejected(rejected_after(window - 1))
	allowed(rejected_after(window))
	details := {reason.details | some reason in data.portal.terms.reasons} with input as rejected_after(0)
	details == {{"versions": ["4.2"]}}
}

test_a_rejection_counts_from_its_own_moment if {
	request := rejected_after(0)
	moment := request.records.account.terms[1].rejected_at
	allowed(example.edit(request, "/time", moment - 1))
	rejected(example.edit(request, "/time", moment))
	data.portal.terms.changes & {moment} == {moment} with input as example.edit(request, "/time", moment - 1)
}

test_a_later_acceptance_ends_a_rejection if {
	at := rejected_after(0).records.account.terms[1].rejected_at
	rejection := {"version": "4.2", "rejected_at": at}
	allowed(said([rejection, {"version": "4.2", "accepted_at": at + 1}]))
	rejected(said([accepted, rejection, {"version": "4.2", "accepted_at": at}]))
	rejected(said([rejection, {"version": "4.1", "accepted_at": at + 1}]))
	rejected(said([accepted, rejection, {"version": "4.2", "accepted_at": example.now + 1}]))
	newer := {
		"version": "4.3",
		"url": "https://www.example.nl/voorwaarden/4.3",
		"published_at": at + 1,
		"effective_at": example.now - 1,
	}
	allowed(example.edit(
		said([rejection, {"version": "4.3", "accepted_at": at + 2}]),
		"/records/terms/4.3",
		newer,
	))
}

test_only_a_rejection if {
	at := rejected_after(0).records.account.terms[1].rejected_at
	request := said([{"version": "4.2", "rejected_at": at}])
	{code | some code in codes(request)} == {"TERMS_NOT_ACCEPTED", "TERMS_REJECTED"}
}

test_a_rejection_of_an_unknown_version_counts if {
	rejected(said([accepted, {"version": "9.9", "rejected_at": 1}]))
}

test_malformed_rejection_is_not_passed_over if {
	every value in example.not_times {
		not data.portal.terms.holds with input as said([accepted, {"version": "4.2", "rejected_at": value}])
	}
	every name in ["published_at", "effective_at"] {
		every value in example.not_times {
			request := example.edit(rejected_after(0), concat("/", ["/records/terms/4.2", name]), value)
			not data.portal.terms.holds with input as request
		}
	}
	accepted_later := [
		{"version": "4.2", "rejected_at": example.now - (99 * example.day)},
		{"version": "4.1", "accepted_at": example.now - 1},
	]
	every value in example.not_times {
		not data.portal.terms.holds with input as example.edit(
			said(accepted_later),
			"/records/terms/4.1/effective_at",
			value,
		)
	}
	every value in [null, "", 1, true, {}] {
		not data.portal.terms.holds with input as said(value)
	}
}

test_own_pages_without_accepted_terms if {
	every action in ["read", "accept_terms", "reject_terms", "close_account", "update_profile"] {
		allowed(example.without(example.own_page(action), "/records/account/terms"))
		allowed(example.edit(example.own_page(action), "/records/account/terms", rejected_after(0).records.account.terms))
	}
	not_accepted(example.without(example.own_page("manage_accounts"), "/records/account/terms"))
	not_accepted(example.edit(said([]), "/action/name", "read"))
}

test_without_an_account_nobody_accepts if {
	request := example.edit(example.direct, "/records/account", null)
	codes(request) == []
	not data.portal.terms.holds with input as request
	"ACCOUNT_UNKNOWN" in data.portal.terms.presumes
}

published_at(published, effective) := example.edit(example.direct, "/records/terms/4.3", {
	"version": "4.3",
	"url": "https://www.example.nl/voorwaarden/4.3",
	"published_at": published,
	"effective_at": effective,
})

notice(published, effective) := {
	"type": "terms_changed",
	"article": "6.2",
	"version": "4.3",
	"url": "https://www.example.nl/voorwaarden/4.3",
	"effective_at": effective,
	"refuse_before": published + (42 * example.day),
}

test_a_changed_version_is_news_for_six_weeks if {
	window := 42 * example.day
	later := example.now + (7 * example.day)
	data.portal.terms.notices == set() with input as published_at(example.now + 1, later)
	data.portal.terms.notices == {notice(example.now, later)} with input as published_at(example.now, later)
	first := (example.now - window) + 1
	data.portal.terms.notices == {notice(first, example.now)} with input as published_at(first, example.now)
	data.portal.terms.notices == set() with input as published_at(first - 1, example.now)
	allowed(published_at(example.now, later))
}

test_a_version_that_is_not_in_force_yet_is_news_for_everybody if {
	published := example.now - (60 * example.day)
	later := example.now + 1
	data.portal.terms.notices == {notice(published, later)} with input as published_at(published, later)
	request := example.edit(published_at(published, later), "/records/account/terms", [])
	not_accepted(request)
	data.portal.terms.notices == {notice(published, later)} with input as request
	stranger := example.edit(published_at(published, later), "/records/account", null)
	data.portal.terms.notices == set() with input as stranger
}

test_a_changed_version_in_force_binds_and_stays_news if {
	request := published_at(example.now - (40 * example.day), example.now)
	allowed(request)
	data.portal.terms.notices == {notice(example.now - (40 * example.day), example.now)} with input as request
	data.portal.terms.changes == {example.now + (2 * example.day)} with input as request
}

test_moments_of_a_changed_version if {
	request := published_at(example.now + 1, example.now + 2)
	data.portal.terms.changes == {
		example.now + 1,
		example.now + 2,
		(example.now + 1) + (42 * example.day),
	} with input as request
}

test_no_news_for_who_said_something_about_it if {
	published := published_at(example.now, example.now + 1)
	every entries in [
		[accepted, {"version": "4.3", "accepted_at": example.now}],
		[accepted, {"version": "4.3", "rejected_at": example.now}],
	] {
		request := example.edit(published, "/records/account/terms", entries)
		data.portal.terms.notices == set() with input as request
		data.portal.terms.changes == {example.now + 1} with input as request
	}
}

test_no_news_without_a_login if {
	request := example.edit(
		published_at(example.now, example.now + 1),
		"/subject/properties/authentication/source",
		"digid",
	)
	data.portal.terms.notices == set() with input as request
}
