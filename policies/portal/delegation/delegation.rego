# METADATA
# title: Intermediaries act within mandate and delegation
# description: >-
#   A user who acts for another employer does so within two limits at once: the mandate in the login names the
#   service, and the employer's delegation in the portal has a scope in force that covers service, purpose and
#   fiscal number. The employer stays accountable. Does not apply to the portal's own pages.
# custom:
#   article: "2.9"
#   text_nl: >-
#     De werkgever blijft verantwoordelijk voor het gedrag van namens deze werkgever optredende gebruikers
#     (intermediairs).
#   codes: [DELEGATION_MISSING, DELEGATION_NOT_IN_FORCE, DELEGATION_OUT_OF_SCOPE, MANDATE_OUT_OF_SCOPE]
package portal.delegation

# METADATA
# description: Without a login, a service or a purpose there is nothing to cover.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING", "PURPOSE_MISSING", "SERVICE_UNKNOWN"}

holds if input.resource.type == "portal"

holds if data.portal.login.direct == true

holds if {
	mandated
	belongs
	not_revoked
	covered
}

# METADATA
# description: The mandate in the login names the service.
mandated if {
	data.portal.login.mediated == true
	some service in input.subject.properties.authentication.mandate.services
	service.uuid == input.records.service.service_uuid
}

# METADATA
# description: The delegation is of this employer to this intermediary.
belongs if {
	input.records.delegation.employer == data.portal.login.employer
	input.records.delegation.intermediary == data.portal.login.organisation
}

not_revoked if data.portal.period.coming(input.records.delegation.revoked_at)

not_revoked if {
	every member, _ in input.records.delegation {
		member != "revoked_at"
	}
}

covered if data.portal.period.running(spans)

# METADATA
# description: When the scopes that cover this use are in force.
spans := data.portal.period.spans([scope |
	some scope in input.records.delegation.scopes
	covers(scope)
])

# METADATA
# description: A scope is about this service, this purpose and this fiscal number, whenever it is in force.
covers(scope) if {
	includes(scope.services, input.resource.id)
	includes(scope.purposes, input.action.properties.processing_activity_id)
	data.portal.fiscal_number.covered_by(scope.fiscal_numbers)
}

includes(values, _) if values == "*"

includes(values, value) if value in values

# Reasons and changes: not beneath `holds`.

reasons contains {
	"code": "DELEGATION_MISSING",
	"article": "2.9",
	"message": data.portal.messages.DELEGATION_MISSING,
	"details": {},
} if {
	applies
	input.records.delegation == null
}

reasons contains {
	"code": "DELEGATION_NOT_IN_FORCE",
	"article": "2.9",
	"message": data.portal.messages.DELEGATION_NOT_IN_FORCE,
	"details": {},
} if {
	applies
	belongs
	not in_force
}

reasons contains {
	"code": "DELEGATION_OUT_OF_SCOPE",
	"article": "2.9",
	"message": data.portal.messages.DELEGATION_OUT_OF_SCOPE,
	"details": {},
} if {
	applies
	belongs
	in_force
	is_object(input.records.service)
	input.action.properties.processing_activity_id
	not covered
}

reasons contains {
	"code": "MANDATE_OUT_OF_SCOPE",
	"article": "2.9",
	"message": data.portal.messages.MANDATE_OUT_OF_SCOPE,
	"details": {},
} if {
	applies
	is_object(input.records.service)
	not mandated
}

applies if {
	input.resource.type == "webdienst"
	data.portal.login.mediated
}

in_force if {
	not_revoked
	some scope in input.records.delegation.scopes
	data.portal.period.in_force(scope)
}

changes contains moment if {
	applies
	moment := input.records.delegation.revoked_at
	data.portal.period.coming(moment)
}

# A use that is covered changes when its scopes lapse.
changes contains data.portal.period.lapse(spans) if {
	applies
	not_revoked
	covered
}

# One that is not covered changes whenever a scope begins or ends.
changes contains moment if {
	applies
	not_revoked
	not covered
	some scope in input.records.delegation.scopes
	some name in ["from", "until"]
	moment := scope[name]
	data.portal.period.coming(moment)
}
