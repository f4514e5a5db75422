//! Reads which request waits at the gateway.

use http::{HeaderMap, Method};

/// Why the headers do not say it.
pub type Unreadable = &'static str;

/// The request that waits.
#[derive(Debug, PartialEq, Eq)]
pub struct Waiting {
    pub method: Method,
    pub target: String,
    pub scheme: String,
    pub host: String,
}

/// (Method, target) headers of one family of gateways: a gateway sets both.
struct Family {
    method: &'static str,
    target: &'static str,
}

/// nginx and HAProxy, by the configuration in `deploy/gateways`; Caddy and Traefik of themselves.
const FAMILIES: [Family; 2] = [
    Family { method: "x-original-method", target: "x-original-uri" },
    Family { method: "x-forwarded-method", target: "x-forwarded-uri" },
];

/// Headers that are read here say how the gateway was asked, not what the application will see.
pub const OWN: [&str; 6] = [
    "x-original-method",
    "x-original-uri",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-forwarded-proto",
    "x-forwarded-host",
];

/// Reads the headers. Where both families are there one may be of the client's making: they must say the same.
pub fn read(headers: &HeaderMap) -> Result<Waiting, Unreadable> {
    let mut said: Option<(Method, &str)> = None;
    for family in FAMILIES {
        let Some(this) = of_family(headers, &family)? else { continue };
        if said.as_ref().is_some_and(|said| *said != this) {
            return Err("X-Original-… and X-Forwarded-… name different requests");
        }
        said = Some(this);
    }
    let (method, target) = said.ok_or("X-Original-Method and X-Original-URI are missing")?;
    let text = |name| -> Result<String, Unreadable> { Ok(only(headers, name)?.unwrap_or_default().to_owned()) };
    Ok(Waiting {
        method,
        target: target.to_owned(),
        scheme: text("x-forwarded-proto")?,
        host: text("x-forwarded-host")?,
    })
}

fn of_family<'a>(headers: &'a HeaderMap, family: &Family) -> Result<Option<(Method, &'a str)>, Unreadable> {
    match (only(headers, family.method)?, only(headers, family.target)?) {
        (None, None) => Ok(None),
        (Some(method), Some(target)) => {
            let method = Method::from_bytes(method.as_bytes()).map_err(|_| "the method is none")?;
            Ok(Some((method, target)))
        }
        _ => Err("one of method and URI is missing"),
    }
}

/// A header that is there at most once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Unreadable> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| "a header of the gateway is no text"),
        _ => Err("a header of the gateway is there twice"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::{Waiting, read};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn either_family_and_both_when_they_agree() {
        let original = [("x-original-method", "POST"), ("x-original-uri", "/a?b=c")];
        let forwarded = [("x-forwarded-method", "POST"), ("x-forwarded-uri", "/a?b=c"), ("x-forwarded-host", "h")];
        let both = [original.as_slice(), &forwarded].concat();
        for (pairs, host) in [(original.as_slice(), ""), (&forwarded, "h"), (&both, "h")] {
            let waiting = Waiting {
                method: Method::POST,
                target: "/a?b=c".to_owned(),
                scheme: String::new(),
                host: host.to_owned(),
            };
            assert_eq!(read(&headers(pairs)), Ok(waiting));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for pairs in [
            [].as_slice(),
            &[("x-original-method", "GET")],
            &[("x-original-uri", "/")],
            &[("x-original-method", "GET"), ("x-forwarded-uri", "/")],
            &[("x-original-method", "G T"), ("x-original-uri", "/")],
            &[("x-original-method", "GET"), ("x-original-uri", "/"), ("x-original-uri", "/")],
            &[("x-original-method", "GET"), ("x-original-uri", "/"), ("x-forwarded-uri", "/")],
            &[
                ("x-original-method", "GET"),
                ("x-original-uri", "/a"),
                ("x-forwarded-method", "GET"),
                ("x-forwarded-uri", "/b"),
            ],
        ] {
            assert!(read(&headers(pairs)).is_err(), "{pairs:?}");
        }
    }
}
