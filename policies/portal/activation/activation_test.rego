package portal.activation_test

import data.portal.example

codes(request) := found if found := example.codes(data.portal.activation.reasons) with input as request

allowed(request) if {
	data.portal.activation.holds with input as request
	codes(request) == []
	data.portal.activation.obligations == set() with input as request
}

denied(request, expected) if {
	not data.portal.activation.holds with input as request
	codes(request) == expected
}

numbers(entries) := example.edit(example.direct, "/records/employer/fiscal_numbers", entries)

with_number(number) := example.edit(example.direct, "/resource/properties/fiscal_number", number)

without_number := example.without(example.direct, "/resource/properties/fiscal_number")

test_activated_number if {
	allowed(example.direct)
	allowed(example.mediated)
	allowed(with_number("123456782"))
	allowed(numbers([{"number": "123456782"}, {"number": "123456782L01", "activated_at": 1}]))
}

asked(number) := {{"type": "activate", "article": "2.6", "fiscal_number": number}}

test_number_that_is_not_activated if {
	denied(with_number("111222333"), ["FISCAL_NUMBER_NOT_ACTIVATED"])
	data.portal.activation.obligations == asked("111222333") with input as with_number("111222333")
	denied(numbers([{"number": "123456782L01"}]), ["FISCAL_NUMBER_NOT_ACTIVATED"])
}

test_activation_in_the_future if {
	allowed(numbers([{"number": "123456782", "activated_at": example.now}]))
	request := numbers([{"number": "123456782", "activated_at": example.now + 1}])
	denied(request, ["FISCAL_NUMBER_NOT_ACTIVATED"])
	data.portal.activation.changes == {example.now + 1} with input as request
}

test_malformed_activation_is_none if {
	every value in example.not_times {
		denied(numbers([{"number": "123456782", "activated_at": value}]), ["FISCAL_NUMBER_NOT_ACTIVATED"])
	}
}

test_number_of_another_employer if {
	every request in [
		with_number("222333446"),
		numbers([]),
		numbers(null),
		numbers([{"number": ""}, {"number": "123456782L02", "activated_at": 1}]),
		example.edit(example.direct, "/records/employer", null),
		example.edit(example.direct, "/records/employer/kvk", "11111111"),
	] {
		denied(request, ["FISCAL_NUMBER_NOT_OF_EMPLOYER"])
	}
}

test_number_is_required if {
	denied(without_number, ["FISCAL_NUMBER_NOT_ACTIVATED"])
	data.portal.activation.obligations == set() with input as without_number
	denied(example.without(without_number, "/records/service/fiscal_number_required"), ["FISCAL_NUMBER_NOT_ACTIVATED"])
	allowed(example.edit(without_number, "/records/service/fiscal_number_required", false))
}

test_service_without_activation if {
	request := example.edit(example.direct, "/records/service/activation_required", false)
	allowed(example.edit(request, "/resource/properties/fiscal_number", "111222333"))
	denied(
		example.edit(request, "/resource/properties/fiscal_number", "222333446"),
		["FISCAL_NUMBER_NOT_OF_EMPLOYER"],
	)
	denied(
		example.without(with_number("111222333"), "/records/service/activation_required"),
		["FISCAL_NUMBER_NOT_ACTIVATED"],
	)
}

# Activates the number with this code.
activate(number, code) := json.patch(example.direct, [
	{"op": "replace", "path": "/action/name", "value": "activate"},
	{"op": "replace", "path": "/resource/properties/fiscal_number", "value": number},
	{"op": "replace", "path": "/records/activation_code", "value": code},
])

code := {"sent_at": 1, "expires_at": example.now + 1, "attempts_left": 1, "addressed_to": "12345678"}

test_activation_with_a_code if {
	request := activate("111222333", code)
	allowed(request)
	data.portal.activation.changes == {example.now + 1} with input as request
}

test_code_that_does_not_do if {
	every changed in [
		null,
		object.union(code, {"expires_at": example.now}),
		object.union(code, {"attempts_left": 0}),
		object.union(code, {"attempts_left": "1"}),
		object.union(code, {"addressed_to": "11111111"}),
		object.remove(code, ["expires_at"]),
	] {
		denied(activate("111222333", changed), ["ACTIVATION_CODE_INVALID"])
	}
	every value in example.not_times {
		denied(activate("111222333", object.union(code, {"expires_at": value})), ["ACTIVATION_CODE_INVALID"])
	}
	denied(activate("222333446", code), ["FISCAL_NUMBER_NOT_OF_EMPLOYER"])
}

test_activation_needs_a_number if {
	request := example.edit(without_number, "/action/name", "activate")
	denied(request, ["FISCAL_NUMBER_NOT_ACTIVATED"])
	denied(example.edit(request, "/records/service/fiscal_number_required", false), ["FISCAL_NUMBER_NOT_ACTIVATED"])
}

test_not_for_the_portals_own_pages if {
	allowed(example.own_page("read"))
}

test_no_answer_where_something_is_missing if {
	denied(example.edit(example.direct, "/subject/properties/authentication/source", "digid"), [])
	denied(example.edit(without_number, "/records/service", null), [])
	denied(example.edit(example.direct, "/resource/type", "printer"), [])
	{"LOGIN_NOT_EHERKENNING", "SERVICE_UNKNOWN"} & data.portal.activation.presumes == {
		"LOGIN_NOT_EHERKENNING",
		"SERVICE_UNKNOWN",
	}
}
