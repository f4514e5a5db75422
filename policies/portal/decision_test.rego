package portal.decision_test

import data.portal.example

decide(request) := found if found := data.portal.decision with input as request

test_an_allow_tells_everything if {
	request := json.patch(example.mediated, [
		{"op": "remove", "path": "/records/account/notification_email"},
		{"op": "remove", "path": "/records/account/consulted_at"},
		{"op": "remove", "path": "/records/employer/account_review_at"},
		{"op": "add", "path": "/records/account/instructions", "value": [{"id": "bel-ons", "issued_at": 1}]},
		{"op": "add", "path": "/records/delegation/scopes/0/until", "value": example.now + 7},
		{"op": "add", "path": "/records/incidents/x", "value": {
			"scope": {"portal": true},
			"kind": "threat",
			"announced_at": 1,
			"from": example.now + 9,
		}},
	])
	decide(request) == {
		"allow": true,
		"reasons": [],
		"obligations": [
			{"type": "review_accounts", "article": "2.10"},
			{"type": "acknowledge_instruction", "article": "2.4", "id": "bel-ons"},
			{"type": "supply_notification_email", "article": "2.5"},
		],
		"notices": [
			{"type": "consult_portal", "article": "2.8"},
			{"type": "interruption_announced", "article": "4.3", "incident": "x", "from": example.now + 9},
		],
		"accountable": {"kvk": "87654321"},
		"valid_until": example.now + 7,
	}
}

# Facts that never change by themselves.
lasting := json.patch(example.direct, [
	{"op": "remove", "path": "/records/account/consulted_at"},
	{"op": "remove", "path": "/records/employer/account_review_at"},
])

test_valid_for_ever_when_no_clock_changes_it if {
	decide(lasting).valid_until == null
	decide(lasting).allow == true
	decide(example.edit(lasting, "/records/account", null)).valid_until == null
}

test_every_reason_at_once if {
	request := json.patch(example.direct, [
		{"op": "replace", "path": "/subject/properties/authentication/source", "value": "digid"},
		{"op": "replace", "path": "/records/account/status", "value": "closed"},
		{"op": "replace", "path": "/records/account/terms", "value": []},
		{"op": "replace", "path": "/records/account/grants", "value": []},
		{"op": "replace", "path": "/action/name", "value": "fly"},
		{"op": "replace", "path": "/records/account_block", "value": {"ground": "misuse", "from": 1}},
		{"op": "replace", "path": "/records/account_termination", "value": {"ground": "misuse", "services": "*", "from": 1}},
		{"op": "add", "path": "/records/incidents/x", "value": {"scope": {"portal": true}, "kind": "threat", "from": 1}},
	])
	decision := decide(request)
	decision.allow == false
	decision.accountable == null
	{reason.code | some reason in decision.reasons} == {
		"ACCESS_TERMINATED",
		"ACCOUNT_BLOCKED",
		"ACCOUNT_CLOSED",
		"ACTION_NOT_OF_SERVICE",
		"INCIDENT_LOCKOUT",
		"LOGIN_NOT_EHERKENNING",
		"PURPOSE_NOT_GRANTED",
		"TERMS_NOT_ACCEPTED",
	}
}

test_every_other_reason_at_once if {
	request := json.patch(example.mediated, [
		{"op": "replace", "path": "/subject/properties/authentication/levelOfAssurance", "value": "urn:etoegang:core:assurance-class:loa2"},
		{"op": "replace", "path": "/subject/properties/authentication/mandate/services", "value": []},
		{"op": "replace", "path": "/records/delegation", "value": null},
		{"op": "remove", "path": "/action/properties/processing_activity_id"},
		{"op": "replace", "path": "/resource/properties/fiscal_number", "value": "111222333"},
	])
	decision := decide(request)
	decision.allow == false
	decision.accountable == {"kvk": "87654321"}
	{reason.code | some reason in decision.reasons} == {
		"ASSURANCE_LEVEL_TOO_LOW",
		"DELEGATION_MISSING",
		"FISCAL_NUMBER_NOT_ACTIVATED",
		"MANDATE_OUT_OF_SCOPE",
		"PURPOSE_MISSING",
	}
	{obligation.type | some obligation in decision.obligations} == {"activate", "step_up"}
}

test_a_denial_tells_every_obligation if {
	decision := decide(json.patch(example.direct, [
		{"op": "replace", "path": "/subject/properties/authentication/levelOfAssurance", "value": "urn:etoegang:core:assurance-class:loa2"},
		{"op": "replace", "path": "/records/account/terms", "value": []},
		{"op": "replace", "path": "/records/account/instructions", "value": [{"id": "bel-ons", "issued_at": 1}]},
		{"op": "remove", "path": "/records/account/notification_email"},
		{"op": "remove", "path": "/records/employer/account_review_at"},
		{"op": "replace", "path": "/resource/properties/fiscal_number", "value": "111222333"},
	]))
	decision.allow == false
	{obligation.type | some obligation in decision.obligations} == {
		"accept_terms",
		"acknowledge_instruction",
		"activate",
		"review_accounts",
		"step_up",
		"supply_notification_email",
	}
}

test_a_stranger_hears_what_applies if {
	decision := decide(json.patch(example.direct, [
		{"op": "replace", "path": "/records/account", "value": null},
		{"op": "replace", "path": "/records/employer_block", "value": {"ground": "misuse", "from": 1}},
	]))
	[reason.code | some reason in decision.reasons] == ["ACCOUNT_UNKNOWN", "ACCOUNT_BLOCKED"]
	decision.accountable == {"kvk": "12345678"}
}

test_branch_and_restricted_login if {
	path := "/subject/properties/authentication/authorizee/legalSubject/branchNumber"
	decision := decide(example.edit(example.direct, path, "000012345678"))
	[reason.code | some reason in decision.reasons] == ["BRANCH_NOT_AUTHORISED"]
}

test_no_allow_without_a_time if {
	decide(example.without(example.direct, "/time")).allow == false
	every value in example.not_times {
		decide(example.edit(example.direct, "/time", value)).allow == false
	}
}

# One article broken at a time.

error_of(article, decision) if {
	decision.allow == false
	[[reason.code, reason.details] | some reason in decision.reasons] == [["POLICY_ERROR", {"article": article}]]
}

test_an_article_that_does_not_say_true_is_an_error if {
	every answer in [false, null, "true", 1, [], {}] {
		error_of("2.2", decide(example.direct)) with data.portal.login.holds as answer
		error_of("2.3", decide(example.direct)) with data.portal.terms.holds as answer
		error_of("2.4", decide(example.direct)) with data.portal.instructions.holds as answer
		error_of("2.5", decide(example.direct)) with data.portal.notification.holds as answer
		error_of("2.6", decide(example.direct)) with data.portal.activation.holds as answer
		error_of("2.7", decide(example.direct)) with data.portal.purpose.holds as answer
		error_of("2.8", decide(example.direct)) with data.portal.consultation.holds as answer
		error_of("2.9", decide(example.direct)) with data.portal.delegation.holds as answer
		error_of("2.10", decide(example.direct)) with data.portal.account.holds as answer
		error_of("4.1", decide(example.direct)) with data.portal.branch.holds as answer
		error_of("4.2", decide(example.direct)) with data.portal.incident.holds as answer
		error_of("4.6", decide(example.direct)) with data.portal.block.holds as answer
		error_of("5.1", decide(example.direct)) with data.portal.termination.holds as answer
	}
}

# Something that an allow must tell cannot be told.
error_of_the_decision(decision) if {
	decision.allow == false
	[reason.code | some reason in decision.reasons] == ["POLICY_ERROR"]
}

test_what_an_allow_must_tell_is_told_or_it_is_no_allow if {
	every answer in [false, null, "", 1, [], {}] {
		error_of_the_decision(decide(lasting)) with data.portal.account.obligations as answer
		error_of_the_decision(decide(lasting)) with data.portal.instructions.obligations as answer
		error_of_the_decision(decide(lasting)) with data.portal.notification.obligations as answer
		error_of_the_decision(decide(lasting)) with data.portal.consultation.notices as answer
		error_of_the_decision(decide(lasting)) with data.portal.incident.notices as answer
		error_of_the_decision(decide(lasting)) with data.portal.terms.notices as answer
		error_of_the_decision(decide(lasting)) with data.portal.account.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.activation.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.block.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.consultation.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.delegation.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.incident.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.instructions.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.purpose.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.termination.changes as answer
		error_of_the_decision(decide(lasting)) with data.portal.terms.changes as answer
	}
}

test_a_text_that_is_missing_is_an_error if {
	others := object.remove(data.portal.messages, ["ACCOUNT_UNKNOWN"])
	request := example.edit(example.direct, "/records/account", null)
	found := decide(request) with data.portal.messages as others
	found.allow == false
	{reason.details.article | some reason in found.reasons} & {"2.10"} == {"2.10"}
}

# An article may be silent only about what it presumes and another article reports.
test_silence_is_excused_by_what_is_missing_only if {
	digid := example.edit(example.direct, "/subject/properties/authentication/source", "digid")
	[reason.code | some reason in decide(digid).reasons] == ["LOGIN_NOT_EHERKENNING"]
	unknown := example.edit(example.direct, "/records/service", null)
	broken := {reason.code | some reason in decide(unknown).reasons} with data.portal.incident.holds as false
	broken == {"SERVICE_UNKNOWN", "POLICY_ERROR"}
}

test_every_message_has_both_languages if {
	every code, message in data.portal.messages {
		object.keys(message) == {"nl", "en"}
		message.nl != ""
		message.en != ""
		code == upper(code)
	}
}

test_the_text_of_an_error_is_the_one_in_the_data if {
	decision := decide(example.direct) with data.portal.block.holds as false
	decision.reasons[0].message == data.portal.messages.POLICY_ERROR
}
