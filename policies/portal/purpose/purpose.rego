# METADATA
# title: Only for the purpose for which access was granted
# description: >-
#   A webdienst is used for a purpose and an action that the catalogue lists for it, and for which the account has a
#   grant in force that leaves room for the fiscal number. The portal's own pages know their own actions; purposes
#   and grants do not apply to them.
# custom:
#   article: "2.7"
#   text_nl: >-
#     Het is gebruiker alleen toegestaan het werkgeversportaal te gebruiken voor het doel waarvoor toegang is verleend.
#   codes: [ACTION_NOT_OF_SERVICE, PURPOSE_MISSING, PURPOSE_NOT_GRANTED, PURPOSE_NOT_OF_SERVICE, SERVICE_UNKNOWN]
package portal.purpose

# METADATA
# description: Without an account there are no grants.
presumes := {"ACCOUNT_UNKNOWN"}

holds if {
	own_page
	is_object(data.portal.own_pages.actions[input.action.name])
}

holds if {
	input.resource.type == "webdienst"
	input.action.name in input.records.service.actions
	input.action.properties.processing_activity_id in input.records.service.purposes
	granted
}

own_page if {
	input.resource.type == "portal"
	input.resource.id == data.portal.own_pages.id
}

# METADATA
# description: A grant of the account covers this use, now.
granted if data.portal.period.running(spans)

# METADATA
# description: When the grants that cover this use are in force.
spans := data.portal.period.spans([grant |
	purpose := input.action.properties.processing_activity_id
	some grant in input.records.account.grants
	grant.service == input.resource.id
	purpose in grant.purposes
	leaves_room_for_number(grant)
])

leaves_room_for_number(grant) if data.portal.fiscal_number.covered_by(grant.fiscal_numbers)

leaves_room_for_number(grant) if {
	every member, _ in grant {
		member != "fiscal_numbers"
	}
}

# Reasons and changes: not beneath `holds`.

reasons contains {
	"code": "SERVICE_UNKNOWN",
	"article": "2.7",
	"message": data.portal.messages.SERVICE_UNKNOWN,
	"details": {},
} if {
	not own_page
	not is_webdienst
}

reasons contains {
	"code": "ACTION_NOT_OF_SERVICE",
	"article": "2.7",
	"message": data.portal.messages.ACTION_NOT_OF_SERVICE,
	"details": {},
} if {
	own_page
	not data.portal.own_pages.actions[input.action.name]
}

reasons contains {
	"code": "ACTION_NOT_OF_SERVICE",
	"article": "2.7",
	"message": data.portal.messages.ACTION_NOT_OF_SERVICE,
	"details": {},
} if {
	is_webdienst
	not input.action.name in input.records.service.actions
}

reasons contains {
	"code": "PURPOSE_MISSING",
	"article": "2.7",
	"message": data.portal.messages.PURPOSE_MISSING,
	"details": {},
} if {
	input.resource.type == "webdienst"
	not input.action.properties.processing_activity_id
}

reasons contains {
	"code": "PURPOSE_NOT_OF_SERVICE",
	"article": "2.7",
	"message": data.portal.messages.PURPOSE_NOT_OF_SERVICE,
	"details": {},
} if {
	is_webdienst
	purpose := input.action.properties.processing_activity_id
	not purpose in input.records.service.purposes
}

reasons contains {
	"code": "PURPOSE_NOT_GRANTED",
	"article": "2.7",
	"message": data.portal.messages.PURPOSE_NOT_GRANTED,
	"details": {},
} if {
	is_webdienst
	is_object(input.records.account)
	input.action.properties.processing_activity_id in input.records.service.purposes
	not granted
}

is_webdienst if {
	input.resource.type == "webdienst"
	is_object(input.records.service)
}

# A use that is granted changes when its grants lapse, one that is not when the next one begins.
changes contains data.portal.period.lapse(spans) if {
	is_webdienst
	granted
}

changes contains first if {
	is_webdienst
	not granted
	some [first, _] in spans
	first > input.time
}
