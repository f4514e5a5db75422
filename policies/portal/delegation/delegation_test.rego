package portal.delegation_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.delegation.reasons) with input as request

allowed(request) if {
	data.portal.delegation.holds with input as request
	codes(request) == []
}

denied(request, expected) if {
	not data.portal.delegation.holds with input as request
	codes(request) == expected
}

edit(path, value) := example.edit(example.mediated, path, value)

scope := {"services": "*", "purposes": "*", "fiscal_numbers": "*", "from": 1}

scopes(entries) := edit("/records/delegation/scopes", entries)

test_a_direct_login_needs_none if allowed(example.direct)

test_within_mandate_and_delegation if {
	allowed(example.mediated)
	allowed(scopes([scope]))
	allowed(scopes([object.union(scope, {"services": ["iets-anders"]}), scope]))
}

test_missing if {
	denied(edit("/records/delegation", null), ["DELEGATION_MISSING"])
}

test_of_somebody_else if {
	denied(edit("/records/delegation/employer", "11111111"), [])
	denied(edit("/records/delegation/intermediary", "11111111"), [])
}

test_revoked if {
	denied(edit("/records/delegation/revoked_at", example.now), ["DELEGATION_NOT_IN_FORCE"])
	later := edit("/records/delegation/revoked_at", example.now + 1)
	allowed(later)
	data.portal.delegation.changes == {example.now + 1, data.portal.period.never} with input as later
	every value in example.not_times {
		not data.portal.delegation.holds with input as edit("/records/delegation/revoked_at", value)
	}
}

test_no_scope_in_force if {
	every entries in [
		[],
		[object.union(scope, {"from": example.now + 1})],
		[object.union(scope, {"until": example.now})],
		null,
	] {
		denied(scopes(entries), ["DELEGATION_NOT_IN_FORCE"])
	}
	allowed(scopes([object.union(scope, {"from": example.now, "until": example.now + 1})]))
	every value in example.not_times {
		denied(scopes([object.union(scope, {"from": value})]), ["DELEGATION_NOT_IN_FORCE"])
		denied(scopes([object.union(scope, {"until": value})]), ["DELEGATION_NOT_IN_FORCE"])
	}
}

test_out_of_scope if {
	every limit in [
		{"services": ["iets-anders"]},
		{"services": []},
		{"services": ""},
		{"purposes": ["https://other.example.nl"]},
		{"fiscal_numbers": ["111222333"]},
		{"fiscal_numbers": []},
	] {
		denied(scopes([object.union(scope, limit)]), ["DELEGATION_OUT_OF_SCOPE"])
	}
	every name in ["services", "purposes", "fiscal_numbers"] {
		denied(scopes([object.remove(scope, [name])]), ["DELEGATION_OUT_OF_SCOPE"])
	}
}

test_scopes_do_not_add_up if {
	denied(
		scopes([
			object.union(scope, {"services": ["iets-anders"]}),
			object.union(scope, {"purposes": ["https://other.example.nl"]}),
		]),
		["DELEGATION_OUT_OF_SCOPE"],
	)
}

test_mandate_names_the_service if {
	services := "/subject/properties/authentication/mandate/services"
	denied(edit(services, [{"uuid": "another"}]), ["MANDATE_OUT_OF_SCOPE"])
	denied(edit(services, []), ["MANDATE_OUT_OF_SCOPE"])
	both := example.edit(edit(services, []), "/records/delegation", null)
	{code | some code in codes(both)} == {"DELEGATION_MISSING", "MANDATE_OUT_OF_SCOPE"}
}

test_not_for_the_portals_own_pages if {
	request := example.edit(edit("/resource", {"type": "portal", "id": "werkgeversportaal", "properties": {}}), "/records/delegation", null)
	allowed(request)
	data.portal.delegation.changes == set() with input as request
}

test_no_answer_where_something_is_missing if {
	denied(edit("/records/service", null), [])
	denied(example.without(example.mediated, "/action/properties/processing_activity_id"), [])
	denied(edit("/subject/properties/authentication/source", "digid"), [])
	count(data.portal.delegation.presumes) == 4
}

changes(entries) := found if found := data.portal.delegation.changes with input as scopes(entries)

test_covered_until_the_last_scope_ends if {
	changes([scope]) == {data.portal.period.never}
	changes([object.union(scope, {"until": example.now + 5}), object.union(scope, {"until": example.now + 9})]) == {example.now + 9}
	changes([object.union(scope, {"services": ["iets-anders"], "until": example.now + 5}), scope]) == {data.portal.period.never}
}

test_not_covered_until_any_scope_begins_or_ends if {
	changes([
		object.union(scope, {"from": example.now + 5, "until": example.now + 9}),
		object.union(scope, {"services": [], "until": example.now + 7}),
		object.union(scope, {"until": example.now - 1}),
	]) == {example.now + 5, example.now + 7, example.now + 9}
	revoked := example.edit(
		scopes([object.union(scope, {"until": example.now + 5})]),
		"/records/delegation/revoked_at",
		example.now,
	)
	data.portal.delegation.changes == set() with input as revoked
}
