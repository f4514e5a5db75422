//! Reads Envoy's `CheckRequest`.

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, attribute_context::HttpRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// Why a message is not about an HTTP request that can be read.
pub type Unreadable = &'static str;

/// The parts of an HTTP request that Envoy describes.
pub struct Described {
    pub method: Method,
    pub http: HttpRequest,
    pub headers: HeaderMap,
}

/// Most headers of one request.
const MOST_HEADERS: usize = 256;
/// Room made at first.
const TYPICAL_HEADERS: usize = 24;

/// Takes a message apart. The body, if Envoy sends one along, is not looked at.
pub fn read(message: CheckRequest) -> Result<Described, Unreadable> {
    let http = message.attributes.and_then(|attributes| attributes.request).and_then(|request| request.http);
    let mut http = http.ok_or("attributes.request.http is missing")?;
    let method = Method::from_bytes(http.method.as_bytes()).map_err(|_| "the method is none")?;
    let headers = headers(&mut http)?;
    Ok(Described { method, http, headers })
}

/// The headers: each value by itself where Envoy sends `header_map` (`encode_raw_headers`), otherwise those of one
/// name joined with commas.
fn headers(http: &mut HttpRequest) -> Result<HeaderMap, Unreadable> {
    let raw = http.header_map.take().map(|map| map.headers).unwrap_or_default();
    let raw = raw.into_iter().map(|header| {
        let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        (header.key, value)
    });
    let joined = std::mem::take(&mut http.headers).into_iter().map(|(name, value)| (name, value.into_bytes()));
    let mut headers = HeaderMap::with_capacity(TYPICAL_HEADERS);
    let mut total = 0_usize;
    // Envoy fills one of the two; whoever fills both is heard on both, and what is there twice is refused later.
    for (name, value) in raw.chain(joined) {
        // `:method`, `:path` and the like: `HttpRequest` has them as fields.
        if name.starts_with(':') {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is none")?;
        let value = HeaderValue::from_maybe_shared(Bytes::from(value)).map_err(|_| "a header's value is none")?;
        headers.try_append(name, value).map_err(|_| "there are too many headers")?;
        total = total.saturating_add(1);
        if total > MOST_HEADERS {
            return Err("there are too many headers");
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashMap;

    use envoy_types::pb::envoy::config::core::v3::{HeaderMap as RawMap, HeaderValue};
    use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, attribute_context};

    use super::read;

    fn message(http: attribute_context::HttpRequest) -> CheckRequest {
        let request = Some(attribute_context::Request { http: Some(http), ..Default::default() });
        CheckRequest { attributes: Some(AttributeContext { request, ..Default::default() }) }
    }

    fn http(method: &str, headers: &[(&str, &str)]) -> attribute_context::HttpRequest {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        attribute_context::HttpRequest {
            method: method.to_owned(),
            headers: headers.collect::<HashMap<_, _>>(),
            ..Default::default()
        }
    }

    #[test]
    fn headers_of_either_form() {
        let described =
            read(message(http("GET", &[(":path", "/"), ("accept", "*/*")]))).unwrap_or_else(|_| panic!());
        assert_eq!(described.headers.len(), 1);
        let raw = |key: &str, value: &[u8]| HeaderValue {
            key: key.to_owned(),
            raw_value: value.to_vec(),
            ..Default::default()
        };
        let mut twice = http("POST", &[]);
        twice.header_map = Some(RawMap { headers: vec![raw("x-a", b"1"), raw("x-a", b"\xff")] });
        let described = read(message(twice)).unwrap_or_else(|_| panic!());
        let values: Vec<_> = described.headers.get_all("x-a").iter().map(|value| value.as_bytes()).collect();
        assert_eq!(values, [b"1".as_slice(), b"\xff"]);
    }

    #[test]
    fn what_is_no_http_request_is_refused() {
        assert!(read(CheckRequest::default()).is_err());
        for bad in [http("", &[]), http("GE T", &[]), http("GET", &[("a b", "")]), http("GET", &[("a", "x\ny")])] {
            assert!(read(message(bad)).is_err());
        }
        let many: Vec<String> = (0..300).map(|number| format!("x-{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (&**name, "")).collect();
        assert!(read(message(http("GET", &many))).is_err());
    }
}
