# METADATA
# title: E-mail address for notifications
# description: A user who has not supplied an e-mail address is asked for one.
# custom:
#   article: "2.5"
#   text_nl: >-
#     Ten behoeve van de notificatie van e-mailberichten die door het werkgeversportaal aan de gebruiker worden
#     gestuurd, verstrekt de gebruiker aan het werkgeversportaal zijn e-mailadres.
#   codes: []
package portal.notification

# METADATA
# description: Without an account or a login there is nobody to ask.
presumes := {"ACCOUNT_UNKNOWN", "AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

# METADATA
# description: This article gives no reasons.
reasons := set()

# The address was supplied, or it is asked for: an obligation cannot get lost.
holds if input.records.account.notification_email == true

holds if supply in obligations

supply := {"type": "supply_notification_email", "article": "2.5"}

obligations contains supply if {
	data.portal.login.employer
	input.records.account.notification_email == false
}

obligations contains supply if {
	data.portal.login.employer
	"notification_email" in data.portal.account.unsaid
}
