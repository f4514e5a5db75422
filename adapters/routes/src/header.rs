//! Headers of a request, as the applications behind a gateway may read them.

use http::{HeaderMap, HeaderName};

use crate::error::Refusal;

/// By which a client has some applications take a request for one of another method or path.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];

/// Whether an application may take the request for another one.
pub fn overridden(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| OVERRIDES.iter().any(|other| same(name.as_str(), other)))
}

/// The value of a header that is there at most once, in one spelling. None: it is not there.
pub fn value(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
    if headers.keys().any(|other| other != name && same(other.as_str(), name.as_str())) {
        return Err(Refusal::HeaderOtherwise);
    }
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(|text| Some(text.to_owned())).map_err(|_| Refusal::HeaderNotText)
        }
        _ => Err(Refusal::HeaderTwice),
    }
}

/// CGI and WSGI hand `a_b` and `a-b` to the application as one (RFC 3875 section 4.1.18).
fn same(one: &str, other: &str) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len() && one.bytes().map(dash).eq(other.bytes().map(dash))
}
