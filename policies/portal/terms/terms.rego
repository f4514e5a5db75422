# METADATA
# title: The terms of use are accepted
# description: >-
#   An account without an accepted version must accept the version in force before use (2.3). One that accepted an
#   earlier version is bound by each later one automatically (6.2) and is told about it until six weeks after its
#   publication; everybody is told about one that is published and not yet in force (6.1). A rejection within those six weeks ends the use until a later acceptance of that version or a
#   newer one; a rejection outside them has no effect. Some of the portal's own pages stay possible without accepted
#   terms. A rejection of a version that is not known counts.
# custom:
#   article: "2.3"
#   articles: ["2.3", "6.1", "6.2", "6.3"]
#   text_nl: >-
#     2.3: De gebruiker neemt kennis van de gebruiksvoorwaarden en accepteert deze voordat hij van het
#     werkgeversportaal gebruikmaakt. Met deze acceptatie maakt de gebruiker kenbaar dat hij langs deze elektronische
#     weg voldoende bereikbaar is. De gebruiker ontvangt mogelijk geen papieren post meer.
#     6.1: UWV heeft het recht de gebruiksvoorwaarden te wijzigen. Voorafgaande aan de datum van inwerkingtreding wordt
#     de gebruiker hierover via de website geïnformeerd, en wordt de gebruiker in de gelegenheid gesteld kennis te
#     nemen van de gewijzigde gebruiksvoorwaarden.
#     6.2: De gewijzigde gebruikersvoorwaarden zijn automatisch van toepassing, tenzij de gebruiker expliciet bij UWV
#     aangeeft dat hij de voorwaarden niet accepteert. Dit dient te gebeuren binnen zes weken na publicatie van de
#     gewijzigde gebruiksvoorwaarden, door middel van het opzeggen van het account bij UWV.
#     6.3: UWV draagt zorg voor publicatie van de geldende versie van de gebruiksvoorwaarden op de website.
#   codes: [TERMS_NOT_ACCEPTED, TERMS_REJECTED]
package portal.terms

# METADATA
# description: Without an account there is nobody who accepts.
presumes := {"ACCOUNT_UNKNOWN"}

holds if possible_without

holds if {
	some entry in input.records.account.terms
	accepts(entry)
	every said in input.records.account.terms {
		binds(said)
	}
}

# METADATA
# description: One of the portal's own pages that must be open to a user without accepted terms.
possible_without if {
	input.resource.type == "portal"
	data.portal.own_pages.actions[input.action.name].without_terms == true
}

# METADATA
# description: A known version was accepted, by now.
accepts(entry) if {
	is_acceptance(entry)
	entry.accepted_at <= input.time
	input.records.terms[entry.version].version == entry.version
}

is_acceptance(entry) if {
	is_number(entry.accepted_at)
	every member, _ in entry {
		member != "rejected_at"
	}
}

# METADATA
# description: What the user said does not stand in the way.
binds(entry) if is_acceptance(entry)

binds(entry) if data.portal.period.coming(entry.rejected_at)

binds(entry) if {
	is_number(entry.rejected_at)
	is_number(input.records.terms[entry.version].published_at)
	entry.rejected_at < input.records.terms[entry.version].published_at
}

binds(entry) if {
	is_number(entry.rejected_at)
	entry.rejected_at >= refuse_before(input.records.terms[entry.version])
}

binds(entry) if {
	is_number(entry.rejected_at)
	some later in input.records.account.terms
	accepts(later)
	later.accepted_at > entry.rejected_at
	is_number(input.records.terms[later.version].effective_at)
	input.records.terms[later.version].effective_at >= input.records.terms[entry.version].effective_at
}

# METADATA
# description: The end of the six weeks in which a version can be refused.
refuse_before(version) := version.published_at + data.portal.settings.terms_refusal_ms if {
	is_number(version.published_at)
}

# Reasons, obligations, notices and changes: not beneath `holds`.

reasons contains {
	"code": "TERMS_NOT_ACCEPTED",
	"article": "2.3",
	"message": data.portal.messages.TERMS_NOT_ACCEPTED,
	"details": {},
} if {
	not_accepted
}

reasons contains {
	"code": "TERMS_REJECTED",
	"article": "6.2",
	"message": data.portal.messages.TERMS_REJECTED,
	"details": {"versions": sort(rejected)},
} if {
	not possible_without
	count(rejected) > 0
}

not_accepted if {
	not possible_without
	is_object(input.records.account)
	count(accepted) == 0
}

obligations contains {"type": "accept_terms", "article": "2.3", "version": in_force, "url": input.records.terms[in_force].url} if {
	not_accepted
}

# The version in force: the latest that has become effective.
in_force := version if {
	effective := {[terms.effective_at, terms.published_at, version] |
		some version, terms in input.records.terms
		data.portal.period.passed(terms.effective_at)
	}
	[_, _, version] := max(effective)
}

accepted contains entry.version if {
	some entry in input.records.account.terms
	accepts(entry)
}

rejected contains entry.version if {
	some entry in input.records.account.terms
	data.portal.period.passed(entry.rejected_at)
	not binds(entry)
}

# Versions of which something is still to come: to be published, to take effect, or to be told about.
unsettled contains version if {
	some version in input.records.terms
	version.published_at > six_weeks_ago
}

unsettled contains version if {
	some version in input.records.terms
	version.effective_at > input.time
}

six_weeks_ago := input.time - data.portal.settings.terms_refusal_ms if is_number(input.time)

# A version is news for an account that accepted an earlier one, until it says something about it. One that is not
# in force yet is news for every account.
news contains version if {
	some version in unsettled
	predates(version)
	not accepted_since(version)
	not version.version in rejected
}

predates(version) if data.portal.period.coming(version.effective_at)

predates(version) if {
	some earlier in accepted
	input.records.terms[earlier].effective_at < version.effective_at
}

accepted_since(version) if {
	some later in accepted
	input.records.terms[later].effective_at >= version.effective_at
}

notices contains {
	"type": "terms_changed",
	"article": "6.2",
	"version": version.version,
	"url": version.url,
	"effective_at": version.effective_at,
	"refuse_before": refuse_before(version),
} if {
	data.portal.login.employer
	is_object(input.records.account)
	some version in news
	data.portal.period.passed(version.published_at)
}

changes contains moment if {
	some version in news
	some moment in [version.published_at, refuse_before(version)]
	data.portal.period.coming(moment)
}

changes contains version.effective_at if {
	some version in unsettled
	data.portal.period.coming(version.effective_at)
}

changes contains moment if {
	some entry in input.records.account.terms
	some name in ["accepted_at", "rejected_at"]
	moment := entry[name]
	data.portal.period.coming(moment)
}
