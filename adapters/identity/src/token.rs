//! Verifies a token: a JWS in compact form (RFC 7515, 7519), with what RFC 8725 asks. Keys come from the declared
//! issuer only; `jwk`, `jku`, `x5u` and `x5c` of a token's header are not looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::claims::Claims;
use crate::declaration::algorithm;
use crate::keys::KeySet;
use crate::problem::Problem;
use crate::strict_json;

/// Kinds of token by the header `typ`, of which a login may be; none said is fine too. Others (a logout token, a
/// proof of possession) are signed by the same keys and say something else.
const TYPES: [&str; 4] = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"];
/// Later than any time in a token: beyond it a time in milliseconds would lose its precision.
const LAST_SECOND: f64 = 1e12;

/// A token that is well-formed. Nothing of it is true before `verify`.
pub struct Unverified<'a> {
    signed: &'a str,
    signature: &'a str,
    header: Claims,
    claims: Claims,
}

/// From when and until when a token is valid, in milliseconds since 1970, skew included.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    from_ms: i64,
    until_ms: i64,
}

impl Validity {
    pub const fn check(self, now_ms: i64) -> Result<(), Problem> {
        if now_ms >= self.until_ms {
            Err(Problem::TokenExpired)
        } else if now_ms < self.from_ms {
            Err(Problem::TokenNotYetValid)
        } else {
            Ok(())
        }
    }
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a str) -> Result<Self, Problem> {
        let malformed = Problem::TokenMalformed;
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        if payload.contains('.') {
            return Err(malformed);
        }
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| strict_json::object(&bytes));
        let header = part(header).ok_or(malformed)?;
        let claims = part(payload).ok_or(malformed)?;
        Ok(Self { signed, signature, header, claims })
    }

    /// The issuer that the token says it has: only to know whose keys to verify it with.
    pub fn issuer(&self) -> Result<&str, Problem> {
        self.claims.get("iss").and_then(Value::as_str).ok_or(Problem::TokenIssuer)
    }

    /// Checks the signature; gives the claims, which are the issuer's from here on.
    pub fn verify(self, allowed: &[Algorithm], keys: &KeySet) -> Result<Claims, Problem> {
        if self.header.contains_key("crit") || self.header.contains_key("b64") {
            return Err(Problem::TokenCritical);
        }
        if let Some(kind) = self.header.get("typ") {
            let kind = kind.as_str().map(str::to_ascii_lowercase).unwrap_or_default();
            if !TYPES.contains(&kind.as_str()) {
                return Err(Problem::TokenType);
            }
        }
        let named = self.header.get("alg").and_then(Value::as_str).and_then(algorithm);
        let named = named.filter(|named| allowed.contains(named)).ok_or(Problem::TokenAlgorithm)?;
        let id = self.header.get("kid").and_then(Value::as_str).ok_or(Problem::TokenKeyUnknown)?;
        let key = keys.get(id).ok_or(Problem::TokenKeyUnknown)?;
        if !key.algorithms.contains(&named) {
            return Err(Problem::TokenAlgorithm);
        }
        match jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key.decoding, named) {
            Ok(true) => Ok(self.claims),
            Ok(false) | Err(_) => Err(Problem::TokenSignature),
        }
    }
}

/// Whether one of the audiences that the token is for is ours.
pub fn check_audience(claims: &Claims, ours: &[String]) -> Result<(), Problem> {
    let is_ours = |value: &Value| value.as_str().is_some_and(|text| ours.iter().any(|each| each == text));
    let fits = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    };
    if fits { Ok(()) } else { Err(Problem::TokenAudience) }
}

/// The times of a token. `exp` is required; `nbf` and `iat` count where they stand.
pub fn validity(claims: &Claims, skew_ms: i64) -> Result<Validity, Problem> {
    let until = time(claims, "exp")?.ok_or(Problem::TokenTimes)?;
    let from = time(claims, "nbf")?.unwrap_or(0).max(time(claims, "iat")?.unwrap_or(0));
    Ok(Validity { from_ms: from.saturating_sub(skew_ms), until_ms: until.saturating_add(skew_ms) })
}

/// A NumericDate in milliseconds.
fn time(claims: &Claims, name: &str) -> Result<Option<i64>, Problem> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds =
        value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds)).ok_or(Problem::TokenTimes)?;
    // The range was checked above, so nothing is cut off but a part of a millisecond.
    #[allow(clippy::cast_possible_truncation)]
    let milliseconds = (seconds * 1000.0) as i64;
    Ok(Some(milliseconds))
}
