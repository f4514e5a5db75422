//! The declaration of where logins come from, checked as a whole before any of it is used.

use std::collections::{BTreeMap, HashSet};

use http::{HeaderName, Uri};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use crate::IdentityError;
use crate::facts::EHERKENNING;
use crate::mapping::{Dialect, Field, Mapping, PRESETS, Source, is_level};
use crate::strict_json;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    #[serde(default = "user")]
    pub subject_type: String,
    #[serde(default = "anonymous")]
    pub anonymous: String,
    #[serde(default = "clock_skew_seconds")]
    pub clock_skew_seconds: u16,
    #[serde(default = "max_login_bytes")]
    pub max_login_bytes: usize,
    #[serde(default = "token_header")]
    pub token_header: String,
    /// A cookie that may hold the token as well; None: none may.
    pub token_cookie: Option<String>,
    #[serde(default)]
    pub tokens: Vec<TokenIssuer>,
    pub gateway: Option<Gateway>,
    #[serde(default)]
    pub mappings: BTreeMap<String, CustomMapping>,
}

/// An issuer of tokens. `keys` is an https URL, an http URL on loopback, or a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenIssuer {
    pub issuer: String,
    pub audience: Vec<String>,
    pub keys: String,
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    #[serde(default = "keys_refresh_seconds")]
    pub keys_refresh_seconds: u32,
    #[serde(default = "keys_cooldown_seconds")]
    pub keys_cooldown_seconds: u32,
    #[serde(default = "keys_max_age_seconds")]
    pub keys_max_age_seconds: u32,
    pub mapping: String,
    pub source: Option<Source>,
}

/// Headers by which a gateway says who is logged in: one with JSON, or one for each claim.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub header: Option<String>,
    /// Header → claim.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Names in the certificates of the gateways; empty: every peer that the door trusts.
    #[serde(default)]
    pub names: Vec<String>,
    pub mapping: String,
    pub source: Option<Source>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomMapping {
    pub base: Option<String>,
    #[serde(default)]
    pub claims: BTreeMap<Field, String>,
    #[serde(default)]
    pub levels: BTreeMap<String, String>,
}

fn user() -> String {
    "user".to_owned()
}
fn anonymous() -> String {
    "anonymous".to_owned()
}
const fn clock_skew_seconds() -> u16 {
    30
}
const fn max_login_bytes() -> usize {
    16_384
}
/// A token of RFC 9110, as RFC 6265 asks.
fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn token_header() -> String {
    "authorization".to_owned()
}
fn algorithms() -> Vec<String> {
    vec!["RS256".to_owned(), "PS256".to_owned(), "ES256".to_owned()]
}
const fn keys_refresh_seconds() -> u32 {
    300
}
const fn keys_cooldown_seconds() -> u32 {
    30
}
const fn keys_max_age_seconds() -> u32 {
    86_400
}

/// The algorithms there are to allow: signatures with public keys only.
pub const ALGORITHMS: [(&str, Algorithm); 10] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    // RFC 9864's name for the same, as keys on that curve are the only ones taken for it.
    ("Ed25519", Algorithm::EdDSA),
];

/// The algorithm of a name; None also for `none` and for those with a shared secret.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

/// What a mapping must read; a legal subject comes on top, which may have one name or another.
const REQUIRED: [(Field, &str); 5] = [
    (Field::ActingSubject, "acting_subject"),
    (Field::Level, "level"),
    (Field::IntermediaryKvk, "intermediary_kvk"),
    (Field::Branch, "branch"),
    (Field::ServiceUuid, "service_uuid"),
];

fn refuse<T>(place: impl AsRef<str>, sentence: impl AsRef<str>) -> Result<T, IdentityError> {
    Err(IdentityError(format!("{} {}", place.as_ref(), sentence.as_ref())))
}

impl Declaration {
    /// Reads and checks; the error names the place.
    pub fn parse(text: &[u8]) -> Result<Self, IdentityError> {
        let members = strict_json::object(text)
            .ok_or_else(|| IdentityError("The declaration is not one object with unique members.".to_owned()))?;
        let read: Self = serde_path_to_error::deserialize(Value::Object(members))
            .map_err(|error| IdentityError(format!("{}: {}.", error.path(), error.inner())))?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), IdentityError> {
        for (place, text) in [("subject_type", &self.subject_type), ("anonymous", &self.anonymous)] {
            if text.is_empty() {
                return refuse(place, "must not be empty.");
            }
        }
        if self.clock_skew_seconds > 300 {
            return refuse("clock_skew_seconds", "must be 300 or less.");
        }
        if !(1_024..=65_536).contains(&self.max_login_bytes) {
            return refuse("max_login_bytes", "must be from 1024 to 65536.");
        }
        header("token_header", &self.token_header)?;
        if self.token_cookie.as_deref().is_some_and(|name| !is_cookie_name(name)) {
            return Err(IdentityError("token_cookie must be a cookie's name.".to_owned()));
        }
        if self.tokens.is_empty() && self.gateway.is_none() {
            return refuse("tokens", "and gateway are both missing: nothing says where logins come from.");
        }
        for name in self.mappings.keys() {
            if Mapping::preset(name).is_some() {
                return refuse(format!("mappings.{name}"), "has the name of a preset.");
            }
            self.mapping(&format!("mappings.{name}"), name)?;
        }
        let mut issuers = HashSet::new();
        for (place, token) in self.tokens.iter().enumerate() {
            token.check(&format!("tokens[{place}]"))?;
            if !issuers.insert(&token.issuer) {
                return refuse(format!("tokens[{place}].issuer"), "stands twice.");
            }
        }
        self.gateway.as_ref().map_or(Ok(()), |gateway| gateway.check(&self.token_header))
    }

    /// The mapping of a name, and whether a source goes with it.
    pub fn resolve(&self, place: &str, name: &str, source: Option<&Source>) -> Result<Mapping, IdentityError> {
        let mapping = self.mapping(&format!("{place}.mapping"), name)?;
        let place = format!("{place}.source");
        match (mapping.dialect, source) {
            (Dialect::Context, None) => Ok(mapping),
            (Dialect::Context, Some(_)) => {
                refuse(place, "is said by the authentication context itself; leave it out.")
            }
            (_, None) => refuse(place, "is missing: the claims do not say by which means the login was made."),
            (_, Some(Source::Fixed(source))) if source != EHERKENNING => {
                refuse(place, "must be eherkenning, or a claim with the values that mean it.")
            }
            (_, Some(Source::Claimed(told))) if !told.values.values().any(|source| source == EHERKENNING) => {
                refuse(place, "has no value that means eherkenning.")
            }
            _ => Ok(mapping),
        }
    }

    fn mapping(&self, place: &str, name: &str) -> Result<Mapping, IdentityError> {
        if let Some(preset) = Mapping::preset(name) {
            return Ok(preset);
        }
        let Some(custom) = self.mappings.get(name) else {
            let known: Vec<&str> = PRESETS.iter().map(|(name, ..)| *name).collect();
            return refuse(
                place,
                format!("names no mapping: {name:?} is not declared, nor one of {}.", known.join(", ")),
            );
        };
        let place = format!("mappings.{name}");
        let mut mapping = match custom.base.as_deref() {
            None => Mapping { dialect: Dialect::Flat, claims: BTreeMap::new(), levels: BTreeMap::new() },
            Some(base) => match Mapping::preset(base) {
                Some(preset) => preset,
                None => return refuse(format!("{place}.base"), "is not the name of a preset."),
            },
        };
        mapping.claims.extend(custom.claims.iter().map(|(field, claim)| (*field, claim.clone())));
        mapping.levels.clone_from(&custom.levels);
        check_mapping(&place, &mapping)?;
        Ok(mapping)
    }
}

fn check_mapping(place: &str, mapping: &Mapping) -> Result<(), IdentityError> {
    let claims = format!("{place}.claims");
    if mapping.dialect != Dialect::Flat {
        if mapping.claims.len() != 1 {
            return refuse(claims, "can only name the document with this base.");
        }
    } else {
        if mapping.claims.contains_key(&Field::Document) {
            return refuse(claims, "has a document, which belongs to saml-json and authentication.");
        }
        // Without a name for the intermediary each chain would be taken for a direct login.
        for (field, name) in REQUIRED {
            if !mapping.claims.contains_key(&field) {
                return refuse(&claims, format!("lacks {name}."));
            }
        }
        if !mapping.claims.contains_key(&Field::LegalSubject)
            && !mapping.claims.contains_key(&Field::LegalSubjectKvk)
        {
            return refuse(&claims, "lacks legal_subject or legal_subject_kvk.");
        }
    }
    let mut names = HashSet::new();
    if !mapping.claims.values().all(|claim| !claim.is_empty() && names.insert(claim)) {
        return refuse(&claims, "reads one claim for two things, or one without a name.");
    }
    match mapping.levels.iter().find(|(told, urn)| !is_level(urn) || (is_level(told) && told != urn)) {
        Some((told, _)) => {
            refuse(format!("{place}.levels"), format!("gives {told:?} a level that it cannot have."))
        }
        None => Ok(()),
    }
}

impl TokenIssuer {
    fn check(&self, place: &str) -> Result<(), IdentityError> {
        if self.issuer.is_empty() {
            return refuse(format!("{place}.issuer"), "must not be empty.");
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return refuse(format!("{place}.audience"), "must name one audience or more.");
        }
        if self.algorithms.is_empty() {
            return refuse(format!("{place}.algorithms"), "must name one algorithm or more.");
        }
        if let Some(unknown) = self.algorithms.iter().find(|name| algorithm(name).is_none()) {
            let known: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
            return refuse(
                format!("{place}.algorithms"),
                format!("has {unknown:?}; there are {}.", known.join(", ")),
            );
        }
        for (name, value, least) in [
            ("keys_refresh_seconds", self.keys_refresh_seconds, 10),
            ("keys_cooldown_seconds", self.keys_cooldown_seconds, 1),
            ("keys_max_age_seconds", self.keys_max_age_seconds, self.keys_refresh_seconds),
        ] {
            if !(least..=31_536_000).contains(&value) {
                return refuse(format!("{place}.{name}"), format!("must be from {least} to 31536000."));
            }
        }
        if keys_place_is_safe(&self.keys) {
            Ok(())
        } else {
            refuse(format!("{place}.keys"), "must be an https URL, an http URL on loopback, or a file.")
        }
    }
}

fn keys_place_is_safe(keys: &str) -> bool {
    if !keys.contains("://") {
        return !keys.is_empty();
    }
    let Ok(url) = keys.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let loopback = host == "localhost" || host == "[::1]" || host == "127.0.0.1";
    let bare = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    bare && (url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && loopback))
}

impl Gateway {
    /// Whether headers for each claim bring all that the mapping needs. One that is left out would be absent from
    /// every login: without the intermediary, each chain would be taken for a direct login.
    pub fn check_covers(&self, mapping: &Mapping) -> Result<(), IdentityError> {
        if self.header.is_some() {
            return Ok(());
        }
        if mapping.dialect != Dialect::Flat {
            return refuse("gateway.mapping", "needs a header with JSON.");
        }
        let claimed = match &self.source {
            Some(Source::Claimed(told)) => Some(&told.claim),
            _ => None,
        };
        let needed = REQUIRED.iter().filter_map(|(field, _)| mapping.claims.get(field)).chain(claimed);
        for claim in needed {
            if !self.headers.values().any(|filled| filled == claim) {
                return refuse("gateway.headers", format!("has no header for the claim {claim:?}."));
            }
        }
        Ok(())
    }

    fn check(&self, token_header: &str) -> Result<(), IdentityError> {
        if self.header.is_some() != self.headers.is_empty() {
            return refuse("gateway", "must have either a header with JSON or headers, one for each claim.");
        }
        if self.headers.values().any(String::is_empty) {
            return refuse("gateway.headers", "has a header without a claim.");
        }
        let mut claims = HashSet::new();
        if !self.headers.values().all(|claim| claims.insert(claim)) {
            return refuse("gateway.headers", "fills a claim from two headers.");
        }
        let mut names = HashSet::from([folded(token_header)]);
        for name in self.header.iter().chain(self.headers.keys()) {
            header("gateway", name)?;
            if !names.insert(folded(name)) {
                return refuse("gateway", format!("uses the header {name:?} twice, or that of the token."));
            }
        }
        Ok(())
    }
}

fn header(place: &str, name: &str) -> Result<(), IdentityError> {
    match name.parse::<HeaderName>() {
        Ok(parsed) if parsed.as_str() == name => Ok(()),
        _ => refuse(place, format!("has {name:?}, which is not the name of a header in lower case.")),
    }
}

/// A header's name as gateways that put it into variables see it: separators are one and the same.
pub fn folded(name: &str) -> String {
    folds(name).collect()
}

/// The characters of `folded`.
pub fn folds(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|character| match character {
        '_' | '.' => '-',
        other => other.to_ascii_lowercase(),
    })
}
