//! Which claim says what: presets for the dialects of eHerkenning brokers, and mappings of one's own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::claims::{Claims, boolean, many, one, restricting};
use crate::facts::{EHERKENNING, Facts, LEVELS, Login, NumberKind, Restricting};
use crate::problem::Problem;
use crate::{context, saml};

/// What a claim can say. The legal subject is the organisation acted for, also when an intermediary acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    ActingSubject,
    /// A number of any kind, together with its qualifier; without one only a KvK number.
    LegalSubject,
    LegalSubjectQualifier,
    LegalSubjectKvk,
    LegalSubjectRsin,
    LegalSubjectBsn,
    IntermediaryKvk,
    Branch,
    Level,
    Representation,
    ServiceUuid,
    ServiceId,
    /// The whole login in one claim: `saml-json` and `authentication`.
    Document,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Flat,
    SamlJson,
    Context,
}

/// A mapping that is complete and checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub dialect: Dialect,
    pub claims: BTreeMap<Field, String>,
    /// What a broker calls a level → its URN. A level that is a URN already needs no entry.
    pub levels: BTreeMap<String, String>,
}

/// Where the means of login are said.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a source such as \"eherkenning\", or `claim` and `values`")]
pub enum Source {
    /// This issuer or gateway serves logins by these means and no other.
    Fixed(String),
    Claimed(ClaimedSource),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimedSource {
    pub claim: String,
    /// The claim's value → the source.
    pub values: BTreeMap<String, String>,
}

/// What came of reading claims.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    Login(Login),
    /// A login by other means: the name of them.
    Other(String),
}

/// Words in the names of claims that only a chain of authorisations has.
const CHAIN_WORDS: [&str; 5] = ["intermediate", "intermediair", "intermediary", "representee", "ketenmachtiging"];

/// Which claim says what.
type Claimed = &'static [(Field, &'static str)];

const URN: Claimed = &[
    (Field::ActingSubject, saml::ACTING_SUBJECT),
    (Field::LegalSubject, saml::LEGAL_SUBJECT),
    (Field::LegalSubjectQualifier, "namequalifier"),
    (Field::LegalSubjectKvk, saml::KVK),
    (Field::LegalSubjectRsin, saml::RSIN),
    (Field::LegalSubjectBsn, saml::BSN),
    (Field::IntermediaryKvk, saml::INTERMEDIARY),
    (Field::Branch, saml::BRANCH),
    (Field::Level, "acr"),
    (Field::Representation, saml::REPRESENTATION),
    (Field::ServiceUuid, saml::SERVICE_UUID),
    (Field::ServiceId, saml::SERVICE_ID),
];

const CAMEL: Claimed = &[
    (Field::ActingSubject, "eherkenningPseudo"),
    (Field::LegalSubjectKvk, "chamberOfCommerce"),
    (Field::LegalSubjectRsin, "eherkenningRsin"),
    (Field::IntermediaryKvk, "eherkenningIntermediatekvkNr"),
    (Field::Branch, "eherkenningVestigingsNr"),
    (Field::Level, "acr"),
    (Field::ServiceUuid, "eherkenningServiceUUID"),
    (Field::ServiceId, "eherkenningServiceID"),
];

const SNAKE: Claimed = &[
    (Field::ActingSubject, "eherkenning_pseudo"),
    (Field::LegalSubjectKvk, "chamber_of_commerce"),
    (Field::LegalSubjectRsin, "eherkenning_rsin"),
    (Field::IntermediaryKvk, "eherkenning_intermediate_kvknr"),
    (Field::Branch, "eherkenning_vestigingsnr"),
    (Field::Level, "acr"),
    (Field::ServiceUuid, "eherkenning_service_uuid"),
    (Field::ServiceId, "eherkenning_service_id"),
];

/// The ready mappings, by their names.
pub const PRESETS: &[(&str, Dialect, Claimed)] = &[
    ("eherkenning-urn", Dialect::Flat, URN),
    ("eherkenning-camel", Dialect::Flat, CAMEL),
    ("eherkenning-snake", Dialect::Flat, SNAKE),
    ("saml-json", Dialect::SamlJson, &[(Field::Document, "saml")]),
    ("authentication", Dialect::Context, &[(Field::Document, "authentication")]),
];

impl Mapping {
    /// A ready mapping; None when there is none of that name.
    pub fn preset(name: &str) -> Option<Self> {
        let (_, dialect, claims) = PRESETS.iter().find(|(known, ..)| *known == name)?;
        let claims = claims.iter().map(|(field, claim)| (*field, (*claim).to_owned())).collect();
        Some(Self { dialect: *dialect, claims, levels: BTreeMap::new() })
    }

    /// The login that the claims show; `source` is None for a dialect that says it itself.
    pub fn read(&self, claims: &Claims, source: Option<&Source>) -> Result<Reading, Problem> {
        let document = match self.dialect {
            Dialect::Flat => claims,
            Dialect::SamlJson | Dialect::Context => self.document(claims)?,
        };
        let source = match source {
            None => one(document, "source")?.ok_or(Problem::SourceMissing)?,
            Some(Source::Fixed(source)) => source.clone(),
            Some(Source::Claimed(told)) => {
                let value = one(claims, &told.claim)?.ok_or(Problem::SourceMissing)?;
                told.values.get(&value).cloned().ok_or(Problem::SourceMissing)?
            }
        };
        if source != EHERKENNING {
            let well_formed =
                source.len() <= 64 && source.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            return if well_formed { Ok(Reading::Other(source)) } else { Err(Problem::SourceMissing) };
        }
        let mut facts = match self.dialect {
            Dialect::Flat => self.flat(claims)?,
            Dialect::SamlJson => saml::facts(document)?,
            Dialect::Context => context::facts(document)?,
        };
        self.refuse_unmapped_intermediary(claims, document, &facts)?;
        facts.level = facts.level.map(|level| self.levels.get(&level).cloned().unwrap_or(level));
        facts.login().map(Reading::Login)
    }

    fn document<'a>(&self, claims: &'a Claims) -> Result<&'a Claims, Problem> {
        match self.claims.get(&Field::Document).and_then(|name| claims.get(name)) {
            Some(Value::Object(members)) => Ok(members),
            None => Err(Problem::SourceMissing),
            Some(_) => Err(Problem::ContextMalformed),
        }
    }

    fn flat(&self, claims: &Claims) -> Result<Facts, Problem> {
        // A field that the mapping does not have is read from a claim that no JSON object of a login has.
        let name = |field| self.claims.get(&field).map_or("\0", String::as_str);
        let mut legal_subject = Vec::new();
        for (field, kind) in [
            (Field::LegalSubjectKvk, NumberKind::Kvk),
            (Field::LegalSubjectRsin, NumberKind::Rsin),
            (Field::LegalSubjectBsn, NumberKind::Bsn),
        ] {
            legal_subject.extend(one(claims, name(field))?.map(|number| (kind, number)));
        }
        if let Some(number) = one(claims, name(Field::LegalSubject))? {
            let kind = match one(claims, name(Field::LegalSubjectQualifier))? {
                None => NumberKind::Kvk,
                Some(qualifier) => saml::number_kind(&qualifier).ok_or(Problem::LegalSubjectMalformed)?,
            };
            legal_subject.push((kind, number));
        }
        let intermediary = restricting(claims, name(Field::IntermediaryKvk));
        Ok(Facts {
            level: one(claims, name(Field::Level))?,
            acting_subject: one(claims, name(Field::ActingSubject))?,
            legal_subject,
            intermediary: intermediary.map_err(|_| Problem::IntermediaryMalformed)?,
            branch: restricting(claims, name(Field::Branch)).map_err(|_| Problem::BranchMalformed)?,
            representation: boolean(claims, name(Field::Representation))?,
            service_uuids: many(claims, name(Field::ServiceUuid))?,
            service_ids: many(claims, name(Field::ServiceId))?,
        })
    }

    /// A login that speaks of an intermediary by a name that this mapping does not read is a chain that would pass
    /// for a direct login.
    fn refuse_unmapped_intermediary(
        &self,
        claims: &Claims,
        document: &Claims,
        facts: &Facts,
    ) -> Result<(), Problem> {
        if facts.intermediary != Restricting::Absent {
            return Ok(());
        }
        let attributes = document.get("Attributes").and_then(Value::as_object);
        let speaks = |name: &String| {
            let name = name.to_ascii_lowercase();
            CHAIN_WORDS.iter().any(|word| name.contains(word))
        };
        if claims
            .keys()
            .chain(document.keys())
            .chain(attributes.into_iter().flat_map(|each| each.keys()))
            .any(speaks)
        {
            return Err(Problem::IntermediaryUnmapped);
        }
        Ok(())
    }
}

/// Whether a level is one of eHerkenning's.
pub fn is_level(urn: &str) -> bool {
    LEVELS.contains(&urn)
}
