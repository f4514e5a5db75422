# METADATA
# title: The portal is consulted regularly
# description: >-
#   A user whose last visit is longer ago than the setting is told to consult the portal; a user who never was
#   there too.
# custom:
#   article: "2.8"
#   text_nl: >-
#     De gebruiker die gebruik maakt van het werkgeversportaal verplicht zich ertoe, regelmatig het werkgeversportaal
#     te raadplegen. Om technische redenen kan geen garantie worden gegeven, dat verzonden notificaties ook
#     daadwerkelijk worden afgeleverd. De notificatie wordt slechts als service verzonden.
#   codes: []
package portal.consultation

# METADATA
# description: Without an account or a login there is nobody to tell.
presumes := {"ACCOUNT_UNKNOWN", "AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

# METADATA
# description: This article gives no reasons.
reasons := set()

# The visit is recent, or the user is told.
holds if data.portal.period.coming(visit_due_at)

holds if consult in notices

consult := {"type": "consult_portal", "article": "2.8"}

visit_due_at := consulted_at + data.portal.settings.consultation_ms if {
	consulted_at := input.records.account.consulted_at
	is_number(consulted_at)
}

notices contains consult if {
	data.portal.login.employer
	visit_is_due
}

visit_is_due if data.portal.period.passed(visit_due_at)

visit_is_due if "consulted_at" in data.portal.account.unsaid

changes contains moment if {
	data.portal.login.employer
	moment := visit_due_at
	data.portal.period.coming(moment)
}
