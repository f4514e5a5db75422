//! Takes the credentials out of a request's headers. Whatever is doubtful is a problem; nothing is skipped in favour
//! of something else.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use serde_json::Value;

use crate::Peer;
use crate::claims::Claims;
use crate::declaration::{Gateway, folded, folds};
use crate::problem::Problem;
use crate::strict_json;

const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The names of headers that carry a login, and the same as gateways may fold them.
pub struct Watched {
    names: Vec<(String, String)>,
}

impl Watched {
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        Self { names: names.map(|name| (name.to_owned(), folded(name))).collect() }
    }

    /// Refuses names that differ from a watched one in separators only: a gateway that replaces or removes the one
    /// may let the other through, and what reads them behind it may take one for the other.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        for name in headers.keys() {
            let name = name.as_str();
            let variant_of = |(exact, folded): &(String, String)| exact != name && folds(name).eq(folded.chars());
            if self.names.iter().any(variant_of) {
                return Err(Problem::HeaderVariant);
            }
        }
        Ok(())
    }
}

/// The token, where the request has one.
pub fn token<'a>(headers: &'a HeaderMap, name: &str, max_bytes: usize) -> Result<Option<&'a str>, Problem> {
    let Some(value) = single(headers, name, max_bytes)? else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| Problem::TokenMalformed)?;
    let scheme = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match scheme {
        Some((_, token)) => Ok(Some(token.trim_start_matches(' '))),
        None if name == "authorization" => Err(Problem::SchemeUnsupported),
        None => Ok(Some(text)),
    }
}

/// The value of a cookie, where the request has it and it is not empty. Over HTTP/2 cookies may come in several headers.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str, max_bytes: usize) -> Result<Option<&'a str>, Problem> {
    let mut found = None;
    for header in headers.get_all(http::header::COOKIE) {
        // Cookies of other programs are none of ours, whatever they hold.
        for pair in header.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) else {
                continue;
            };
            if found.replace(value).is_some() {
                return Err(Problem::CredentialsRepeated);
            }
        }
    }
    let Some(value) = found.filter(|value| !value.is_empty()) else { return Ok(None) };
    if value.len() > max_bytes {
        return Err(Problem::CredentialsTooLarge);
    }
    std::str::from_utf8(value).map(Some).map_err(|_| Problem::TokenMalformed)
}

/// The claims that a gateway's headers make, where the request has any. `document` is the claim that a header with
/// JSON fills, None where it is the claims themselves.
pub fn gateway(
    headers: &HeaderMap,
    declared: &Gateway,
    document: Option<&str>,
    peer: &Peer<'_>,
    max_bytes: usize,
) -> Result<Option<Claims>, Problem> {
    let mut present =
        declared.header.iter().chain(declared.headers.keys()).filter(|name| headers.contains_key(*name));
    if present.next().is_none() {
        return Ok(None);
    }
    let named =
        declared.names.is_empty() || peer.name.is_some_and(|name| declared.names.iter().any(|each| each == name));
    if !peer.trusted || !named {
        return Err(Problem::HeaderUntrusted);
    }
    if let Some(name) = &declared.header {
        let members = single(headers, name, max_bytes)?.map(json).transpose()?.unwrap_or_default();
        return Ok(Some(match document {
            Some(claim) => Claims::from_iter([(claim.to_owned(), Value::Object(members))]),
            None => members,
        }));
    }
    let mut left = max_bytes;
    let mut claims = Claims::new();
    for (name, claim) in &declared.headers {
        let Some(value) = single(headers, name, left)? else { continue };
        left = left.saturating_sub(value.len());
        let text = std::str::from_utf8(value).map_err(|_| Problem::HeaderMalformed)?;
        claims.insert(claim.clone(), Value::String(text.to_owned()));
    }
    Ok(Some(claims))
}

/// A JSON object, as such or as base64url.
fn json(value: &[u8]) -> Result<Claims, Problem> {
    let object = if value.first() == Some(&b'{') {
        strict_json::object(value)
    } else {
        BASE64URL.decode(value).ok().and_then(|text| strict_json::object(&text))
    };
    object.ok_or(Problem::HeaderMalformed)
}

fn single<'a>(headers: &'a HeaderMap, name: &str, max_bytes: usize) -> Result<Option<&'a [u8]>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(Problem::CredentialsRepeated),
        (Some(value), None) if value.len() > max_bytes => Err(Problem::CredentialsTooLarge),
        (Some(value), None) => Ok(Some(value.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header::COOKIE};

    use super::cookie;
    use crate::problem::Problem;

    fn of(lines: &[&'static [u8]]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).expect("a value"));
        }
        cookie(&headers, "login", 8).map(|found| found.map(ToOwned::to_owned))
    }

    #[test]
    fn a_cookie_is_there_once_or_not_at_all() {
        let none: &[&[u8]] = &[];
        assert_eq!(of(none), Ok(None));
        assert_eq!(of(&[b"a=1; login=x.y; b=\xff"]), Ok(Some("x.y".to_owned())));
        assert_eq!(of(&[b"a=1", b"login=x"]), Ok(Some("x".to_owned())));
        assert_eq!(of(&[b"xlogin=1; logins=2; LOGIN=3; login"]), Ok(None));
        assert_eq!(of(&[b"login="]), Ok(None));
        assert_eq!(of(&[b"login=a;login=a"]), Err(Problem::CredentialsRepeated));
        assert_eq!(of(&[b"login=a", b"login="]), Err(Problem::CredentialsRepeated));
        assert_eq!(of(&[b"login=123456789"]), Err(Problem::CredentialsTooLarge));
        assert_eq!(of(&[b"login=\xff"]), Err(Problem::TokenMalformed));
    }
}
