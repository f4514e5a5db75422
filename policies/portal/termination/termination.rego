# METADATA
# title: Access that was ended
# description: >-
#   Access lasts without limit (2.1) until it is ended, wholly or for some webdiensten, for the account, its
#   organisation or the employer that is served (5.1). Access that was ended only because the terms were rejected
#   leaves the pages open on which a user rejects terms or closes the account. There is no expiry of its own.
# custom:
#   article: "5.1"
#   articles: ["2.1", "5.1"]
#   text_nl: >-
#     2.1: UWV stelt het werkgeversportaal voor onbeperkte duur aan de gebruiker ter beschikking, tenzij op grond van
#     artikel 5 de toegang tot het werkgeversportaal beëindigd wordt.
#     5.1: UWV kan de gebruiker de toegang tot het werkgeversportaal of delen daarvan beëindigen als: sprake is van
#     misbruik of oneigenlijk gebruik door de gebruiker als bedoeld in artikel 4; de gebruiker te kennen geeft de
#     (gewijzigde) gebruiksvoorwaarden niet te accepteren; zich bijzondere omstandigheden voordoen op grond waarvan UWV
#     genoodzaakt is de toegang te beëindigen.
#   codes: [ACCESS_TERMINATED]
package portal.termination

# METADATA
# description: Without a login nothing says whose access was ended.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

holds if {
	leaves_access(input.records.account_termination)
	leaves_access(input.records.organisation_termination)
	leaves_access(input.records.employer_termination)
}

# METADATA
# description: Access was not ended, or not yet, or for other webdiensten only, or this page stays open.
leaves_access(termination) if termination == null

leaves_access(termination) if data.portal.period.coming(termination.from)

leaves_access(termination) if spares(termination)

spares(termination) if {
	is_string(termination.services[0])
	every service in termination.services {
		service != input.resource.id
	}
}

spares(termination) if {
	termination.ground == "terms_rejected"
	input.resource.type == "portal"
	data.portal.own_pages.actions[input.action.name].after_rejection == true
}

# Reasons and changes: not beneath `holds`.

reasons contains {
	"code": "ACCESS_TERMINATED",
	"article": "5.1",
	"message": data.portal.messages.ACCESS_TERMINATED,
	"details": {"ground": termination.ground, "services": termination.services},
} if {
	some termination in terminations
	data.portal.period.passed(termination.from)
	not spares(termination)
}

terminations contains input.records.account_termination

terminations contains input.records.organisation_termination if data.portal.login.employer

terminations contains input.records.employer_termination if data.portal.login.employer

changes contains termination.from if {
	some termination in terminations
	data.portal.period.coming(termination.from)
	not spares(termination)
}
