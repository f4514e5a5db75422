package portal.branch_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.branch.reasons) with input as request

allowed(request) if {
	data.portal.branch.holds with input as request
	codes(request) == []
}

denied(request, expected) if {
	not data.portal.branch.holds with input as request
	codes(request) == expected
}

restricted(request) := example.edit(
	request,
	"/subject/properties/authentication/authorizee/legalSubject/branchNumber",
	"000012345678",
)

named(request, number) := example.edit(request, "/resource/properties/branch_number", number)

test_no_restriction if {
	allowed(example.direct)
	allowed(example.mediated)
	allowed(named(example.direct, "000087654321"))
}

test_restricted_to_the_branch_that_is_named if {
	allowed(named(restricted(example.direct), "000012345678"))
	denied(named(restricted(example.direct), "000087654321"), ["BRANCH_NOT_AUTHORISED"])
}

test_personal_data_needs_a_named_branch if {
	denied(restricted(example.direct), ["BRANCH_NOT_AUTHORISED"])
	denied(example.without(restricted(example.direct), "/records/service/personal_data"), ["BRANCH_NOT_AUTHORISED"])
	impersonal := example.edit(restricted(example.direct), "/records/service/personal_data", false)
	allowed(impersonal)
	denied(named(impersonal, "000087654321"), ["BRANCH_NOT_AUTHORISED"])
}

test_properties_of_another_kind_name_no_branch if {
	impersonal := example.edit(restricted(example.direct), "/records/service/personal_data", false)
	every value in [null, "", 1, []] {
		not data.portal.branch.holds with input as example.edit(impersonal, "/resource/properties", value)
	}
}

test_not_for_the_portals_own_pages if allowed(restricted(example.own_page("read")))

test_no_answer_where_something_is_missing if {
	denied(example.edit(restricted(example.direct), "/records/service", null), [])
	denied(example.edit(restricted(example.direct), "/subject/properties/authentication/source", "digid"), [])
	denied(example.edit(restricted(example.direct), "/resource/type", "printer"), [])
	denied(example.without(example.direct, "/subject/properties/authentication"), [])
	count(data.portal.branch.presumes) == 3
}
