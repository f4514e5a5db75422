//! Who asks. Builds the subject of a decision request, with the authentication context of its login, from a verified
//! token or from headers of a gateway that is trusted.
//!
//! Whatever is wrong with a login leads to the same anonymous subject without an authentication context, which a
//! policy denies, and to a [`Problem`] that says why. A bad token is never made good by a header.

mod claims;
mod context;
mod declaration;
mod facts;
mod headers;
mod issuer;
mod keys;
mod mapping;
mod numbers;
mod problem;
mod saml;
mod strict_json;
mod token;

use std::collections::HashMap;

use http::HeaderMap;
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::claims::Claims;
use crate::declaration::{Declaration, Gateway};
use crate::headers::Watched;
use crate::issuer::Issuer;
pub use crate::issuer::KeysSource;
use crate::mapping::{Field, Mapping, Reading};
pub use crate::problem::Problem;
use crate::token::Unverified;

/// A declaration or a set of keys that is refused; the text is one sentence that names the place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct IdentityError(pub String);

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peer<'a> {
    /// Whether it is a gateway whose headers are believed: the door decides, by certificate or by address.
    pub trusted: bool,
    /// The name in its certificate (a SAN), where it showed one that was verified.
    pub name: Option<&'a str>,
}

/// What came of looking at a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Identified {
    /// `{"type", "id"}`, and `"properties": {"authentication"}` where somebody is logged in. With a problem the id is
    /// that of the anonymous subject; [`Problem::SourceOther`] alone has an authentication, of its source only.
    pub subject: Map<String, Value>,
    pub problem: Option<Problem>,
}

/// Where logins come from, and the keys of those who issue them. Shared by all threads.
pub struct Identity {
    subject_type: String,
    anonymous: String,
    max_login_bytes: usize,
    token_header: String,
    token_cookie: Option<String>,
    skew_ms: i64,
    issuers: HashMap<String, Issuer>,
    gateway: Option<(Gateway, Mapping)>,
    watched: Watched,
}

impl Identity {
    /// Reads a declaration (JSON; `docs/identity.md` describes it).
    ///
    /// # Errors
    /// One sentence that names the place.
    pub fn from_json(text: &[u8]) -> Result<Self, IdentityError> {
        let mut declared = Declaration::parse(text)?;
        let gateway = match declared.gateway.take() {
            None => None,
            Some(gateway) => {
                let mapping = declared.resolve("gateway", &gateway.mapping, gateway.source.as_ref())?;
                gateway.check_covers(&mapping)?;
                Some((gateway, mapping))
            }
        };
        let tokens = std::mem::take(&mut declared.tokens);
        let mut issuers = HashMap::new();
        for (place, token) in tokens.into_iter().enumerate() {
            let mapping = declared.resolve(&format!("tokens[{place}]"), &token.mapping, token.source.as_ref())?;
            issuers.insert(token.issuer.clone(), Issuer::new(token, mapping));
        }
        let gateway_headers =
            gateway.iter().flat_map(|(gateway, _)| gateway.header.iter().chain(gateway.headers.keys()));
        let token_header = (!issuers.is_empty()).then_some(&declared.token_header);
        let watched = Watched::new(token_header.into_iter().chain(gateway_headers).map(String::as_str));
        Ok(Self {
            subject_type: declared.subject_type,
            anonymous: declared.anonymous,
            max_login_bytes: declared.max_login_bytes,
            token_header: declared.token_header,
            token_cookie: declared.token_cookie,
            skew_ms: i64::from(declared.clock_skew_seconds).saturating_mul(1000),
            issuers,
            gateway,
            watched,
        })
    }

    /// Where the keys of each issuer are to be read, in the order of the issuers' names.
    #[must_use]
    pub fn keys_sources(&self) -> Vec<KeysSource> {
        let mut sources: Vec<KeysSource> = self.issuers.values().map(Issuer::keys_source).collect();
        sources.sort_by(|one, other| one.issuer.cmp(&other.issuer));
        sources
    }

    /// Replaces the keys of an issuer at once; gives how many there are now. The same set again confirms that it is
    /// still the issuer's. `now_ms`: milliseconds since 1970.
    ///
    /// # Errors
    /// One sentence; the keys from before stay.
    pub fn set_keys(&self, issuer: &str, jwks: &[u8], now_ms: i64) -> Result<usize, IdentityError> {
        let known = self.issuers.get(issuer);
        let known = known.ok_or_else(|| IdentityError(format!("No issuer {issuer:?} is declared.")))?;
        known
            .set_keys(jwks, now_ms)
            .map_err(|why| IdentityError(format!("The keys of {issuer} are refused: {why}.")))
    }

    /// The issuers whose keys should be read again now, as a token named a key that they did not have, or as they
    /// have none. Each at most once in its cool-down.
    #[must_use]
    pub fn take_refresh(&self, now_ms: i64) -> Vec<String> {
        let wanted = self.issuers.iter().filter(|(_, issuer)| issuer.take_refresh(now_ms));
        let mut names: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// Who asks, by the headers of the request and the peer that sent it.
    #[must_use]
    pub fn identify(&self, headers: &HeaderMap, peer: &Peer<'_>, now_ms: i64) -> Identified {
        match self.credentials(headers, peer, now_ms) {
            Ok(reading) => self.identified(reading),
            Err(problem) => self.nobody(problem, None),
        }
    }

    fn credentials(&self, headers: &HeaderMap, peer: &Peer<'_>, now_ms: i64) -> Result<Reading, Problem> {
        self.watched.check(headers)?;
        // Both are read in full before either counts, so that a token does not hide that headers were forged.
        let from_gateway = match &self.gateway {
            None => None,
            Some((declared, mapping)) => {
                let document = mapping.claims.get(&Field::Document).map(String::as_str);
                let claims = headers::gateway(headers, declared, document, peer, self.max_login_bytes)?;
                claims.map(|claims| mapping.read(&claims, declared.source.as_ref())).transpose()?
            }
        };
        let token = match self.issuers.is_empty() {
            true => None,
            false => self.presented(headers)?,
        };
        let from_token = token.map(|token| self.token(token, now_ms)).transpose()?;
        match (from_token, from_gateway) {
            (None, None) => Err(Problem::NotLoggedIn),
            (Some(one), None) | (None, Some(one)) => Ok(one),
            (Some(one), Some(other)) if one == other => Ok(one),
            (Some(_), Some(_)) => Err(Problem::CredentialsDisagree),
        }
    }

    /// The one token of a request: in its header or its cookie, or the same in both.
    fn presented<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
        let header = headers::token(headers, &self.token_header, self.max_login_bytes)?;
        let Some(name) = &self.token_cookie else { return Ok(header) };
        match (header, headers::cookie(headers, name, self.max_login_bytes)?) {
            (Some(one), Some(other)) if one != other => Err(Problem::CredentialsDisagree),
            (header, cookie) => Ok(header.or(cookie)),
        }
    }

    fn token(&self, token: &str, now_ms: i64) -> Result<Reading, Problem> {
        let digest = keys::digest(token.as_bytes());
        for issuer in self.issuers.values() {
            if let Some(known) = issuer.remembered(&digest, now_ms) {
                return known;
            }
        }
        let token = Unverified::parse(token)?;
        let issuer = self.issuers.get(token.issuer()?).ok_or(Problem::TokenIssuer)?;
        issuer.verify(token, digest, self.skew_ms, now_ms)
    }

    fn identified(&self, reading: Reading) -> Identified {
        match reading {
            // The anonymous id is nobody's.
            Reading::Login(login) if login.id == self.anonymous => {
                self.nobody(Problem::ActingSubjectMalformed, None)
            }
            Reading::Login(login) => {
                Identified { subject: self.subject(&login.id, Some(login.authentication)), problem: None }
            }
            Reading::Other(source) => self.nobody(Problem::SourceOther, Some(json!({"source": source}))),
        }
    }

    fn nobody(&self, problem: Problem, authentication: Option<Value>) -> Identified {
        Identified { subject: self.subject(&self.anonymous, authentication), problem: Some(problem) }
    }

    fn subject(&self, id: &str, authentication: Option<Value>) -> Claims {
        let mut subject = Claims::new();
        subject.insert("type".to_owned(), self.subject_type.as_str().into());
        subject.insert("id".to_owned(), id.into());
        if let Some(authentication) = authentication {
            subject.insert("properties".to_owned(), facts::object([("authentication", authentication)]));
        }
        subject
    }
}
