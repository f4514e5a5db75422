# METADATA
# title: The fiscal number of a request
# description: >-
#   A fiscal number is nine digits, or nine digits with a suffix L01 to L99. What holds for the nine digits holds
#   for each suffix of it, never the other way round. Well-formedness is checked by the request's schema.
package portal.fiscal_number

# METADATA
# description: What the request's number can be registered as, itself or without its suffix.
names := {number, substring(number, 0, 9)} if {
	number := input.resource.properties.fiscal_number
	is_string(number)
}

# METADATA
# description: The request names no fiscal number.
absent if {
	is_object(input.resource.properties)
	every name, _ in input.resource.properties {
		name != "fiscal_number"
	}
}

# METADATA
# description: A list of numbers, or "*" for all, that leaves room for the request. Without a number there is nothing to limit.
covered_by(numbers) if numbers == "*"

covered_by(numbers) if {
	some number in numbers
	number in names
}

covered_by(_) if absent
