package portal.fiscal_number_test

ask(properties) := {"resource": {"properties": properties}}

test_nine_digits_stand_for_every_suffix_and_not_the_reverse if {
	data.portal.fiscal_number.names == {"123456782", "123456782L01"} with input as ask({"fiscal_number": "123456782L01"})
	data.portal.fiscal_number.names == {"123456782"} with input as ask({"fiscal_number": "123456782"})
}

test_a_list_leaves_room if {
	covered("*", {"fiscal_number": "123456782"})
	covered(["111222333", "123456782"], {"fiscal_number": "123456782L07"})
	covered(["123456782L07"], {"fiscal_number": "123456782L07"})
	not covered(["123456782L07"], {"fiscal_number": "123456782L08"})
	not covered([], {"fiscal_number": "123456782"})
	not covered("", {"fiscal_number": "123456782"})
}

covered(numbers, properties) if data.portal.fiscal_number.covered_by(numbers) with input as ask(properties)

test_without_a_number_there_is_nothing_to_limit if {
	covered(["123456782"], {})
	data.portal.fiscal_number.absent with input as ask({"branch_number": "000012345678"})
	not data.portal.fiscal_number.absent with input as ask({"fiscal_number": ""})
	not data.portal.fiscal_number.absent with input as {}
	not data.portal.fiscal_number.absent with input as ask([])
}

test_a_number_that_is_no_text_stands_for_nothing if {
	every value in [null, 123456782, [], {}] {
		not covered(["123456782"], {"fiscal_number": value})
	}
}
