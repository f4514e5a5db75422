package portal.login_test

import data.portal.example

authentication := "/subject/properties/authentication"

edit(request, path, value) := example.edit(request, concat("", [authentication, path]), value)

without(request, path) := example.without(request, concat("", [authentication, path]))

codes(request) := found if found := example.codes(data.portal.login.reasons) with input as request

invalid(request) if {
	codes(request) == ["AUTHENTICATION_INVALID"]
	not data.portal.login.holds with input as request
	not data.portal.login.employer with input as request
	not data.portal.login.organisation with input as request
}

test_own_organisation_is_the_employer if {
	data.portal.login.holds with input as example.direct
	data.portal.login.employer == "12345678" with input as example.direct
	data.portal.login.organisation == "12345678" with input as example.direct
	codes(example.direct) == []
}

test_representee_is_the_employer_never_the_intermediary if {
	data.portal.login.holds with input as example.mediated
	data.portal.login.employer == "87654321" with input as example.mediated
	data.portal.login.organisation == "12345678" with input as example.mediated
	codes(example.mediated) == []
}

test_another_source if {
	request := edit(example.direct, "/source", "digid")
	codes(request) == ["LOGIN_NOT_EHERKENNING"]
	not data.portal.login.holds with input as request
}

test_source_missing_or_malformed if {
	every value in [null, "", 1, [], {}] {
		invalid(edit(example.direct, "/source", value))
	}
	invalid(without(example.direct, "/source"))
}

test_no_authentication_at_all if {
	invalid(example.without(example.direct, authentication))
	every value in [null, "", 1, true, [], {}] {
		invalid(example.edit(example.direct, authentication, value))
	}
}

test_subject_of_another_type if {
	invalid(example.edit(example.direct, "/subject/type", "service"))
	request := edit(example.edit(example.direct, "/subject/type", "service"), "/source", "digid")
	{code | some code in codes(request)} == {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}
}

test_level_unknown_or_malformed if {
	every value in [null, "", "loa3", "urn:etoegang:core:assurance-class:loa9", 4, [], {}] {
		invalid(edit(example.direct, "/levelOfAssurance", value))
	}
	invalid(without(example.direct, "/levelOfAssurance"))
}

test_representee_without_mandate_or_the_reverse if {
	every request in [
		without(example.mediated, "/mandate"),
		without(example.mediated, "/representee"),
		edit(example.mediated, "/mandate", null),
		edit(example.mediated, "/representee", null),
		edit(example.direct, "/mandate", {"services": []}),
		edit(example.direct, "/representee", false),
	] {
		invalid(request)
	}
}

# The classic confusion: a representee that cannot be read must not make the intermediary the employer.
test_intermediary_never_stands_in_for_the_employer if {
	own_account := json.patch(example.mediated, [
		{"op": "replace", "path": "/records/account/employer", "value": "12345678"},
		{"op": "replace", "path": "/records/employer/kvk", "value": "12345678"},
	])
	every value in [null, "", 87654321, [], {}, {"identifierType": "kvkNummer"}, {"identifier": "87654321"}] {
		invalid(edit(own_account, "/representee", value))
		invalid(edit(without(own_account, "/mandate"), "/representee", value))
	}
}

test_numbers_of_another_kind if {
	invalid(edit(example.direct, "/authorizee/legalSubject/identifierType", "rsin"))
	invalid(edit(example.mediated, "/authorizee/legalSubject/identifierType", "rsin"))
	invalid(edit(example.mediated, "/representee/identifierType", "rsin"))
}

test_malformed_mandate if {
	every value in [[], {}, "", {"services": null}, {"services": {"a": {"uuid": "b"}}}, {"services": [{"uuid": 1}]}, {"services": [{}]}] {
		invalid(edit(example.mediated, "/mandate", value))
	}
}

test_acting_subject_is_the_subject if {
	invalid(edit(example.direct, "/authorizee/actingSubject/identifier", "pseudonym-2"))
	invalid(edit(example.direct, "/authorizee/actingSubject/identifierType", "kvkNummer"))
	invalid(without(example.direct, "/authorizee/actingSubject"))
	invalid(without(example.direct, "/authorizee"))
}

test_account_of_another_organisation_or_employer if {
	invalid(example.edit(example.direct, "/records/account/organisation", "11111111"))
	invalid(example.edit(example.direct, "/records/account/employer", "11111111"))
	invalid(example.edit(example.mediated, "/records/account/organisation", "87654321"))
	invalid(example.edit(example.mediated, "/records/account/employer", "12345678"))
}

test_without_an_account_the_login_speaks_for_itself if {
	every request in [example.direct, example.mediated] {
		stranger := example.edit(request, "/records/account", null)
		data.portal.login.holds with input as stranger
		every number in ["1234567", "123456789", "1234567a", "", 12345678, null] {
			invalid(edit(stranger, "/authorizee/legalSubject/identifier", number))
		}
	}
	every number in ["", "8765432x", 87654321] {
		invalid(edit(example.edit(example.mediated, "/records/account", null), "/representee/identifier", number))
	}
}

test_branch_goes_with_a_direct_login_only if {
	branch := "/authorizee/legalSubject/branchNumber"
	data.portal.login.holds with input as edit(example.direct, branch, "000012345678")
	invalid(edit(example.mediated, branch, "000012345678"))
	invalid(edit(example.mediated, "/representee/branchNumber", "000012345678"))
	every value in [null, "", "12345678", "00001234567x", 12345678, []] {
		invalid(edit(example.direct, branch, value))
	}
}

with_level(request, level) := edit(request, "/levelOfAssurance", concat("", ["urn:etoegang:core:assurance-class:", level]))

test_level_below_the_service if {
	every level in ["loa1", "loa2", "loa2plus"] {
		request := with_level(example.direct, level)
		codes(request) == ["ASSURANCE_LEVEL_TOO_LOW"]
		not data.portal.login.holds with input as request
		data.portal.login.obligations == {{"type": "step_up", "article": "2.2", "acr_values": [
			"urn:etoegang:core:assurance-class:loa3",
			"urn:etoegang:core:assurance-class:loa4",
		]}} with input as request
	}
	every level in ["loa3", "loa4"] {
		data.portal.login.holds with input as with_level(example.direct, level)
		data.portal.login.obligations == set() with input as with_level(example.direct, level)
	}
}

test_level_is_the_services_own if {
	lower := example.edit(example.direct, "/records/service/minimum_assurance", "urn:etoegang:core:assurance-class:loa2plus")
	data.portal.login.holds with input as with_level(lower, "loa2plus")
	codes(with_level(lower, "loa2")) == ["ASSURANCE_LEVEL_TOO_LOW"]
	higher := example.edit(example.direct, "/records/service/minimum_assurance", "urn:etoegang:core:assurance-class:loa4")
	codes(higher) == ["ASSURANCE_LEVEL_TOO_LOW"]
}

test_level_of_what_is_not_in_the_catalogue if {
	every request in [
		example.own_page("read"),
		example.edit(example.direct, "/records/service", null),
		example.edit(example.direct, "/resource/type", "printer"),
	] {
		data.portal.login.holds with input as request
		codes(with_level(request, "loa2plus")) == ["ASSURANCE_LEVEL_TOO_LOW"]
	}
}

test_level_too_low_is_told_beside_a_contradiction if {
	request := with_level(edit(example.direct, "/authorizee/actingSubject/identifier", "pseudonym-2"), "loa2")
	{code | some code in codes(request)} == {"ASSURANCE_LEVEL_TOO_LOW", "AUTHENTICATION_INVALID"}
}

test_service_with_an_unknown_level_is_never_open if {
	every value in [null, "", "loa1", 0] {
		request := example.edit(example.direct, "/records/service/minimum_assurance", value)
		not data.portal.login.holds with input as request
	}
}

test_presumes_nothing if count(data.portal.login.presumes) == 0
