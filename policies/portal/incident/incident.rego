# METADATA
# title: Security incidents interrupt access at once
# description: >-
#   While an incident or the threat of one runs, nobody whom its scope covers has access: the whole portal, some
#   webdiensten, or some employers. It runs until it is ended, whatever end was expected. An interruption that was
#   announced and has not begun is told to the user.
# custom:
#   article: "4.2"
#   articles: ["4.2", "4.3"]
#   text_nl: >-
#     4.2: UWV kan te allen tijde, zonder voorafgaande bekendmaking, de toegang tot het werkgeversportaal onderbreken
#     als er sprake is van een beveiligingsincident of een dreiging daartoe.
#     4.3: UWV zal zo mogelijk voorafgaand aan de in het voorgaande lid genoemde onderbreking de gebruiker via een
#     bericht binnen het werkgeversportaal of via de website informeren over de aard en verwachte duur van de
#     onderbreking.
#   codes: [INCIDENT_LOCKOUT]
package portal.incident

# METADATA
# description: Without a login nothing says whether an incident of some employers covers the request.
presumes := {"AUTHENTICATION_INVALID", "LOGIN_NOT_EHERKENNING"}

holds if {
	is_object(input.records.incidents)
	every incident in input.records.incidents {
		leaves_access(incident)
	}
}

# METADATA
# description: The incident is over, has not begun, or is about something else.
leaves_access(incident) if is_over(incident)

leaves_access(incident) if data.portal.period.coming(incident.from)

leaves_access(incident) if is_elsewhere(incident.scope)

is_over(incident) if data.portal.period.passed(incident.ended_at)

# METADATA
# description: The scope names webdiensten or employers, and none of them is the request's.
is_elsewhere(scope) if {
	is_string(scope.services[0])
	every service in scope.services {
		service != input.resource.id
	}
}

is_elsewhere(scope) if {
	is_string(scope.employers[0])
	is_string(data.portal.login.employer)
	every employer in scope.employers {
		employer != data.portal.login.employer
	}
}

# Reasons, notices and changes: not beneath `holds`.

reasons contains {
	"code": "INCIDENT_LOCKOUT",
	"article": "4.2",
	"message": data.portal.messages.INCIDENT_LOCKOUT,
	"details": object.union({"incident": id}, told),
} if {
	some id, incident in input.records.incidents
	data.portal.period.passed(incident.from)
	not is_over(incident)
	covers(incident.scope)
	told := {name: incident[name] | some name in ["kind", "nature", "expected_end", "message"]}
}

covers(scope) if scope.portal == true

covers(scope) if input.resource.id in scope.services

covers(scope) if data.portal.login.employer in scope.employers

notices contains object.union({"type": "interruption_announced", "article": "4.3", "incident": id}, told) if {
	some id, incident in input.records.incidents
	data.portal.period.passed(incident.announced_at)
	data.portal.period.coming(incident.from)
	not is_over(incident)
	covers(incident.scope)
	told := {name: incident[name] | some name in ["nature", "from", "expected_end", "message"]}
}

changes contains moment if {
	some incident in input.records.incidents
	not is_over(incident)
	covers(incident.scope)
	some name in ["announced_at", "from", "ended_at"]
	moment := incident[name]
	data.portal.period.coming(moment)
}
