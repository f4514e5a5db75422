# METADATA
# title: Fiscal numbers are activated with a verification code
# description: >-
#   A fiscal number is used only for the employer to which it belongs, and, where the service asks it, only once it
#   was activated. Activating one needs a code that was sent to this employer, has not expired and has attempts
#   left. The activation of nine digits covers each suffix of them. A flag that the service leaves out counts as true.
# custom:
#   article: "2.6"
#   text_nl: >-
#     De verstrekte verificatiecode die toegang verleent tot gebruik van het werkgeversportaal is strikt persoonlijk.
#   codes: [ACTIVATION_CODE_INVALID, FISCAL_NUMBER_NOT_ACTIVATED, FISCAL_NUMBER_NOT_OF_EMPLOYER]
package portal.activation

# METADATA
# description: Without an employer or a service there is no number to judge.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING", "SERVICE_UNKNOWN"}

holds if input.resource.type == "portal"

holds if {
	input.resource.type == "webdienst"
	input.action.name == "activate"
	of_employer
	code_is_valid
}

holds if {
	input.resource.type == "webdienst"
	input.action.name != "activate"
	usable
}

# METADATA
# description: The service takes the number as it is, or does without one.
usable if activated

usable if {
	input.records.service.activation_required == false
	of_employer
}

usable if {
	input.records.service.fiscal_number_required == false
	data.portal.fiscal_number.absent
}

# METADATA
# description: The employer's entries that stand for the number.
entries := [entry |
	input.records.employer.kvk == data.portal.login.employer
	some entry in input.records.employer.fiscal_numbers
	entry.number in data.portal.fiscal_number.names
]

# METADATA
# description: The number belongs to the employer.
of_employer if some _ in entries

# METADATA
# description: The number belongs to the employer and was activated.
activated if {
	some entry in entries
	data.portal.period.passed(entry.activated_at)
}

code_is_valid if {
	input.records.activation_code.addressed_to == data.portal.login.employer
	data.portal.period.coming(input.records.activation_code.expires_at)
	is_number(input.records.activation_code.attempts_left)
	input.records.activation_code.attempts_left > 0
}

# Reasons, obligations and changes: not beneath `holds`.

reasons contains {
	"code": "FISCAL_NUMBER_NOT_OF_EMPLOYER",
	"article": "2.6",
	"message": data.portal.messages.FISCAL_NUMBER_NOT_OF_EMPLOYER,
	"details": {},
} if {
	number_given
	not of_employer
}

reasons contains {
	"code": "ACTIVATION_CODE_INVALID",
	"article": "2.6",
	"message": data.portal.messages.ACTIVATION_CODE_INVALID,
	"details": {},
} if {
	number_given
	input.action.name == "activate"
	not code_is_valid
}

reasons contains {
	"code": "FISCAL_NUMBER_NOT_ACTIVATED",
	"article": "2.6",
	"message": data.portal.messages.FISCAL_NUMBER_NOT_ACTIVATED,
	"details": {},
} if {
	not_activated
}

reasons contains {
	"code": "FISCAL_NUMBER_NOT_ACTIVATED",
	"article": "2.6",
	"message": data.portal.messages.FISCAL_NUMBER_NOT_ACTIVATED,
	"details": {},
} if {
	number_required
	data.portal.fiscal_number.absent
}

obligations contains {"type": "activate", "article": "2.6", "fiscal_number": number} if {
	not_activated
	number := input.resource.properties.fiscal_number
}

number_given if {
	input.resource.type == "webdienst"
	data.portal.login.employer
	input.resource.properties.fiscal_number
}

number_required if {
	input.resource.type == "webdienst"
	is_object(input.records.service)
	not input.records.service.fiscal_number_required == false
}

number_required if {
	input.resource.type == "webdienst"
	input.action.name == "activate"
}

not_activated if {
	number_given
	input.action.name != "activate"
	is_object(input.records.service)
	not input.records.service.activation_required == false
	of_employer
	not activated
}

changes contains moment if {
	number_given
	some entry in entries
	moment := entry.activated_at
	data.portal.period.coming(moment)
}

changes contains moment if {
	input.action.name == "activate"
	moment := input.records.activation_code.expires_at
	data.portal.period.coming(moment)
}
