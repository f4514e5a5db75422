# METADATA
# title: The decision on a request to the portal
# description: >-
#   Allowed when every article says itself that it holds. A denial tells every reason that applies. An article that
#   neither holds nor says why, and does not presume something whose absence another article reports, is broken:
#   POLICY_ERROR. Whatever an allow must tell is gathered without loss: what cannot be gathered is no allow.
# custom:
#   article: ""
#   codes: [POLICY_ERROR]
package portal

# METADATA
# title: The decision
# entrypoint: true
decision := permission

decision := refusal if not permission

# METADATA
# description: The decision of a request that is allowed; undefined when it is not, or when a part of it cannot be told.
permission := {
	"allow": true,
	"reasons": [],
	"obligations": sort(duties),
	"notices": sort(notices),
	"accountable": {"kvk": data.portal.login.employer},
	"valid_until": valid_until,
} if {
	allow
}

# METADATA
# description: Every article of the terms of use holds.
allow if {
	is_number(input.time)
	data.portal.login.holds == true
	data.portal.terms.holds == true
	data.portal.instructions.holds == true
	data.portal.notification.holds == true
	data.portal.activation.holds == true
	data.portal.purpose.holds == true
	data.portal.consultation.holds == true
	data.portal.delegation.holds == true
	data.portal.account.holds == true
	data.portal.branch.holds == true
	data.portal.incident.holds == true
	data.portal.block.holds == true
	data.portal.termination.holds == true
}

# METADATA
# description: Obligations that come with an allow. The others come with the reason of a denial.
duties := (data.portal.account.obligations | data.portal.instructions.obligations) | data.portal.notification.obligations

notices := (data.portal.consultation.notices | data.portal.incident.notices) | data.portal.terms.notices

# METADATA
# description: The first moment at which the clock alone changes a fact that was used; null when there is none.
valid_until := moment if {
	moment := min(changes)
	moment < data.portal.period.never
}

valid_until := null if min(changes) == data.portal.period.never

changes := union({
	{data.portal.period.never},
	data.portal.account.changes,
	data.portal.activation.changes,
	data.portal.block.changes,
	data.portal.consultation.changes,
	data.portal.delegation.changes,
	data.portal.incident.changes,
	data.portal.instructions.changes,
	data.portal.purpose.changes,
	data.portal.termination.changes,
	data.portal.terms.changes,
})

# Denials. Nothing beneath this line is used by an allow.

refusal := {
	"allow": false,
	"reasons": sort(reasons | broken),
	"obligations": sort(refusal_obligations),
	"notices": sort(refusal_notices),
	"accountable": accountable,
	"valid_until": refusal_valid_until,
}

default accountable := null

accountable := {"kvk": data.portal.login.employer}

default refusal_notices := set()

refusal_notices := notices

# An article that is broken says nothing about when it will answer.
default refusal_valid_until := null

refusal_valid_until := valid_until

refusal_obligations contains obligation if some obligation in data.portal.account.obligations

refusal_obligations contains obligation if some obligation in data.portal.activation.obligations

refusal_obligations contains obligation if some obligation in data.portal.instructions.obligations

refusal_obligations contains obligation if some obligation in data.portal.login.obligations

refusal_obligations contains obligation if some obligation in data.portal.notification.obligations

refusal_obligations contains obligation if some obligation in data.portal.terms.obligations

reasons contains reason if some reason in data.portal.login.reasons

reasons contains reason if some reason in data.portal.terms.reasons

reasons contains reason if some reason in data.portal.activation.reasons

reasons contains reason if some reason in data.portal.purpose.reasons

reasons contains reason if some reason in data.portal.delegation.reasons

reasons contains reason if some reason in data.portal.account.reasons

reasons contains reason if some reason in data.portal.branch.reasons

reasons contains reason if some reason in data.portal.incident.reasons

reasons contains reason if some reason in data.portal.block.reasons

reasons contains reason if some reason in data.portal.termination.reasons

# An article that is silent without an excuse.
broken contains policy_error(article) if some article in (articles - answered)

# Every article answers, and still this is no allow: something that an allow must tell cannot be told.
broken contains policy_error("") if {
	count(reasons) == 0
	count(articles - answered) == 0
}

# The text stands here, for it must not depend on anything.
policy_error(article) := {
	"code": "POLICY_ERROR",
	"article": "",
	"message": {
		"nl": "Wij kunnen nu niet controleren of u toegang hebt. Probeer het later opnieuw.",
		"en": "We cannot check now whether you have access. Try again later.",
	},
	"details": {"article": article},
}

articles := {
	"2.2",
	"2.3",
	"2.4",
	"2.5",
	"2.6",
	"2.7",
	"2.8",
	"2.9",
	"2.10",
	"4.1",
	"4.2",
	"4.6",
	"5.1",
}

codes contains reason.code if some reason in reasons

# An article that gives a reason, or that presumes something whose absence is a reason.
explains(article_reasons, _) if count(article_reasons) > 0

explains(_, presumed_codes) if count(presumed_codes & codes) > 0

answered contains "2.2" if data.portal.login.holds == true

answered contains "2.2" if explains(data.portal.login.reasons, data.portal.login.presumes)

answered contains "2.3" if data.portal.terms.holds == true

answered contains "2.3" if explains(data.portal.terms.reasons, data.portal.terms.presumes)

answered contains "2.4" if data.portal.instructions.holds == true

answered contains "2.4" if explains(data.portal.instructions.reasons, data.portal.instructions.presumes)

answered contains "2.5" if data.portal.notification.holds == true

answered contains "2.5" if explains(data.portal.notification.reasons, data.portal.notification.presumes)

answered contains "2.6" if data.portal.activation.holds == true

answered contains "2.6" if explains(data.portal.activation.reasons, data.portal.activation.presumes)

answered contains "2.7" if data.portal.purpose.holds == true

answered contains "2.7" if explains(data.portal.purpose.reasons, data.portal.purpose.presumes)

answered contains "2.8" if data.portal.consultation.holds == true

answered contains "2.8" if explains(data.portal.consultation.reasons, data.portal.consultation.presumes)

answered contains "2.9" if data.portal.delegation.holds == true

answered contains "2.9" if explains(data.portal.delegation.reasons, data.portal.delegation.presumes)

answered contains "2.10" if data.portal.account.holds == true

answered contains "2.10" if explains(data.portal.account.reasons, data.portal.account.presumes)

answered contains "4.1" if data.portal.branch.holds == true

answered contains "4.1" if explains(data.portal.branch.reasons, data.portal.branch.presumes)

answered contains "4.2" if data.portal.incident.holds == true

answered contains "4.2" if explains(data.portal.incident.reasons, data.portal.incident.presumes)

answered contains "4.6" if data.portal.block.holds == true

answered contains "4.6" if explains(data.portal.block.reasons, data.portal.block.presumes)

answered contains "5.1" if data.portal.termination.holds == true

answered contains "5.1" if explains(data.portal.termination.reasons, data.portal.termination.presumes)
