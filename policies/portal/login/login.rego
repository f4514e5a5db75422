# METADATA
# title: Login with eHerkenning
# description: >-
#   Only a login with eHerkenning counts, at or above the level that the service asks. Says who is served: without
#   a representee the user's own organisation is the employer; with one the representee is, and the user's
#   organisation is the intermediary. The one never stands in for the other: a login that is incomplete or
#   contradicts itself, the request or the account establishes no employer at all. Only KvK numbers are accepted
#   for both; a login with an RSIN is refused.
# custom:
#   article: "2.2"
#   text_nl: De gebruiker kan alleen met eHerkenning inloggen op werkgeversportaal UWV.
#   codes: [ASSURANCE_LEVEL_TOO_LOW, AUTHENTICATION_INVALID, LOGIN_NOT_EHERKENNING]
package portal.login

# METADATA
# description: The codes of reasons that leave this article without an answer. This one has always an answer.
presumes := set()

holds if {
	is_string(employer)
	rank >= required_rank
}

# METADATA
# description: The employer that is served, once the login has established it.
employer := input.subject.properties.authentication.authorizee.legalSubject.identifier if direct

employer := input.subject.properties.authentication.representee.identifier if mediated

# METADATA
# description: The organisation to which the user belongs, once the login has established it.
organisation := input.subject.properties.authentication.authorizee.legalSubject.identifier if is_string(employer)

# METADATA
# description: The user acts for its own organisation, and all of the login agrees.
direct if {
	authentic
	login := input.subject.properties.authentication
	is_object(login)
	every claim, _ in login {
		claim != "representee"
		claim != "mandate"
	}
	party := login.authorizee.legalSubject
	branch_is_in_order(party)
	number := party.identifier
	agrees_with_account(number, number)
}

# METADATA
# description: The user acts for another employer, by a chain of authorisations, and all of the login agrees.
mediated if {
	authentic
	login := input.subject.properties.authentication
	login.representee.identifierType == "kvkNummer"
	is_array(login.mandate.services)
	every service in login.mandate.services {
		is_string(service.uuid)
	}
	has_no_branch(login.authorizee.legalSubject)
	has_no_branch(login.representee)
	agrees_with_account(login.authorizee.legalSubject.identifier, login.representee.identifier)
}

# METADATA
# description: What every login must say, with or without a representee.
authentic if {
	input.subject.type == "user"
	login := input.subject.properties.authentication
	login.source == "eherkenning"
	rank > 0
	login.authorizee.legalSubject.identifierType == "kvkNummer"
	login.authorizee.actingSubject.identifierType == "opaque"
	login.authorizee.actingSubject.identifier == input.subject.id
}

# METADATA
# description: The account belongs to this organisation and this employer. An unknown account is refused by article 2.10.
agrees_with_account(own_number, employer_number) if {
	input.records.account.organisation == own_number
	input.records.account.employer == employer_number
}

agrees_with_account(own_number, employer_number) if {
	input.records.account == null
	digits(own_number, 8)
	digits(employer_number, 8)
}

has_no_branch(party) if {
	is_object(party)
	every claim, _ in party {
		claim != "branchNumber"
	}
}

branch_is_in_order(party) if has_no_branch(party)

branch_is_in_order(party) if digits(party.branchNumber, 12)

digits(text, length) if {
	is_string(text)
	count(text) == length
	trim(text, "0123456789") == ""
}

# METADATA
# description: The rank of the level that was achieved; undefined for a level that is not known.
rank := data.portal.assurance_ranks[input.subject.properties.authentication.levelOfAssurance]

# METADATA
# description: The rank that is asked.
required_rank := data.portal.assurance_ranks[minimum]

# METADATA
# description: The level that is asked.
minimum := data.portal.own_pages.minimum_assurance if input.resource.type == "portal"

minimum := input.records.service.minimum_assurance if input.resource.type != "portal"

minimum := data.portal.settings.default_minimum_assurance if {
	input.resource.type != "portal"
	input.records.service == null
}

# Reasons and obligations: not beneath `holds`.

reasons contains {
	"code": "AUTHENTICATION_INVALID",
	"article": "2.2",
	"message": data.portal.messages.AUTHENTICATION_INVALID,
	"details": {},
} if {
	not employer
	not other_source
}

reasons contains {
	"code": "AUTHENTICATION_INVALID",
	"article": "2.2",
	"message": data.portal.messages.AUTHENTICATION_INVALID,
	"details": {},
} if {
	input.subject.type != "user"
}

reasons contains {
	"code": "LOGIN_NOT_EHERKENNING",
	"article": "2.2",
	"message": data.portal.messages.LOGIN_NOT_EHERKENNING,
	"details": {},
} if {
	other_source
}

reasons contains {
	"code": "ASSURANCE_LEVEL_TOO_LOW",
	"article": "2.2",
	"message": data.portal.messages.ASSURANCE_LEVEL_TOO_LOW,
	"details": {"level": input.subject.properties.authentication.levelOfAssurance, "minimum": minimum},
} if {
	level_too_low
}

obligations contains {"type": "step_up", "article": "2.2", "acr_values": acr_values} if level_too_low

# The levels that would do, lowest first.
acr_values := [level |
	some [_, level] in sort({[value, level] |
		some level, value in data.portal.assurance_ranks
		value >= required_rank
	})
]

level_too_low if {
	input.subject.properties.authentication.source == "eherkenning"
	rank < required_rank
}

other_source if {
	source := input.subject.properties.authentication.source
	is_string(source)
	not source in {"", "eherkenning"}
}
