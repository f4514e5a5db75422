# METADATA
# title: The branch restriction of the login is respected
# description: >-
#   A login that is restricted to one branch gives access only to personal data of that branch: where a branch is
#   named it must be that one, and where personal data is involved it must be named. A login without a restriction
#   is for every branch. Does not apply to the portal's own pages.
# custom:
#   article: "4.1"
#   text_nl: >-
#     UWV treft alle passende organisatorische en technische beveiligingsmaatregelen tegen verlies of onrechtmatige
#     verwerking van de persoonsgegevens van de gebruiker.
#   codes: [BRANCH_NOT_AUTHORISED]
package portal.branch

# METADATA
# description: Without a login there is no restriction to respect, without a service nothing says what it involves.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING", "SERVICE_UNKNOWN"}

holds if input.resource.type == "portal"

# METADATA
# description: No restriction. A login on behalf of another employer cannot have one.
holds if {
	is_object(input.subject.properties.authentication.authorizee.legalSubject)
	every claim, _ in input.subject.properties.authentication.authorizee.legalSubject {
		claim != "branchNumber"
	}
}

holds if branch == input.resource.properties.branch_number

holds if {
	input.resource.type == "webdienst"
	input.records.service.personal_data == false
	no_branch_named
}

branch := input.subject.properties.authentication.authorizee.legalSubject.branchNumber

no_branch_named if {
	is_object(input.resource.properties)
	every name, _ in input.resource.properties {
		name != "branch_number"
	}
}

# Reasons: not beneath `holds`.

reasons contains {
	"code": "BRANCH_NOT_AUTHORISED",
	"article": "4.1",
	"message": data.portal.messages.BRANCH_NOT_AUTHORISED,
	"details": {},
} if {
	input.resource.type == "webdienst"
	data.portal.login.employer
	branch != input.resource.properties.branch_number
}

reasons contains {
	"code": "BRANCH_NOT_AUTHORISED",
	"article": "4.1",
	"message": data.portal.messages.BRANCH_NOT_AUTHORISED,
	"details": {},
} if {
	input.resource.type == "webdienst"
	data.portal.login.employer
	branch
	no_branch_named
	is_object(input.records.service)
	not input.records.service.personal_data == false
}
