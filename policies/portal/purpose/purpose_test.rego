package portal.purpose_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.purpose.reasons) with input as request

allowed(request) if {
	data.portal.purpose.holds with input as request
	codes(request) == []
}

denied(request, expected) if {
	not data.portal.purpose.holds with input as request
	codes(request) == expected
}

grants(entries) := example.edit(example.direct, "/records/account/grants", entries)

grant := {"service": "ziekmelden", "purposes": [example.purpose], "from": 1}

test_granted if {
	allowed(example.direct)
	allowed(example.mediated)
	allowed(grants([object.union(grant, {"service": "iets-anders"}), grant]))
}

test_service_unknown if {
	denied(example.edit(example.direct, "/records/service", null), ["SERVICE_UNKNOWN"])
	denied(example.edit(example.direct, "/resource/type", "printer"), ["SERVICE_UNKNOWN"])
	denied(example.edit(example.own_page("read"), "/resource/id", "ander-portaal"), ["SERVICE_UNKNOWN"])
}

test_purpose_missing if {
	request := example.without(example.direct, "/action/properties/processing_activity_id")
	denied(request, ["PURPOSE_MISSING"])
	unknown := example.edit(request, "/records/service", null)
	{code | some code in codes(unknown)} == {"PURPOSE_MISSING", "SERVICE_UNKNOWN"}
}

test_purpose_not_of_service if {
	request := example.edit(example.direct, "/action/properties/processing_activity_id", "https://other.example.nl")
	denied(request, ["PURPOSE_NOT_OF_SERVICE"])
}

test_action_not_of_service if {
	denied(example.edit(example.direct, "/action/name", "send_message"), ["ACTION_NOT_OF_SERVICE"])
	denied(example.own_page("submit"), ["ACTION_NOT_OF_SERVICE"])
	denied(example.own_page("activate"), ["ACTION_NOT_OF_SERVICE"])
}

test_own_pages if {
	every action in ["read", "accept_terms", "reject_terms", "close_account", "update_profile", "manage_accounts"] {
		allowed(example.own_page(action))
		allowed(example.edit(example.own_page(action), "/records/account/grants", []))
	}
}

test_not_granted if {
	every request in [
		grants([]),
		example.without(example.direct, "/records/account/grants"),
		grants([object.union(grant, {"service": "iets-anders"})]),
		grants([object.union(grant, {"purposes": ["https://other.example.nl"]})]),
		grants([object.union(grant, {"fiscal_numbers": ["111222333"]})]),
		grants([object.union(grant, {"fiscal_numbers": []})]),
	] {
		denied(request, ["PURPOSE_NOT_GRANTED"])
	}
}

test_a_grant_of_every_number_and_of_one if {
	allowed(grants([grant]))
	allowed(grants([object.union(grant, {"fiscal_numbers": ["123456782"]})]))
	allowed(grants([object.union(grant, {"fiscal_numbers": ["123456782L01"]})]))
	denied(grants([object.union(grant, {"fiscal_numbers": ["123456782L02"]})]), ["PURPOSE_NOT_GRANTED"])
}

test_in_force_only if {
	allowed(grants([object.union(grant, {"from": example.now})]))
	denied(grants([object.union(grant, {"from": example.now + 1})]), ["PURPOSE_NOT_GRANTED"])
	allowed(grants([object.union(grant, {"until": example.now + 1})]))
	denied(grants([object.union(grant, {"until": example.now})]), ["PURPOSE_NOT_GRANTED"])
	every value in example.not_times {
		denied(grants([object.union(grant, {"from": value})]), ["PURPOSE_NOT_GRANTED"])
		denied(grants([object.union(grant, {"until": value})]), ["PURPOSE_NOT_GRANTED"])
	}
}

changes(entries) := found if found := data.portal.purpose.changes with input as grants(entries)

test_changes_when_the_last_grant_ends if {
	changes([grant]) == {data.portal.period.never}
	changes([object.union(grant, {"until": example.now + 5}), object.union(grant, {"until": example.now + 9})]) == {example.now + 9}
	changes([object.union(grant, {"until": example.now + 5}), grant]) == {data.portal.period.never}
	changes([object.union(grant, {"service": "iets-anders", "until": example.now + 5})]) == set()
}

test_changes_when_a_grant_begins if {
	changes([object.union(grant, {"from": example.now + 5, "until": example.now + 9})]) == {example.now + 5}
	changes([object.union(grant, {"from": example.now + 5}), grant]) == {data.portal.period.never}
}

test_no_grants_without_an_account if {
	denied(example.edit(example.direct, "/records/account", null), [])
	"ACCOUNT_UNKNOWN" in data.portal.purpose.presumes
}
