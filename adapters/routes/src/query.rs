//! Parameters of a query, as forms send them (application/x-www-form-urlencoded).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::error::Refusal;

/// The value of a parameter that is there at most once. Some programs separate parameters with `;` too and some take
/// the last of two: such a query has no certain value.
pub fn parameter(query: &str, name: &str) -> Result<Option<String>, Refusal> {
    if query.contains(';') {
        return Err(Refusal::QueryCharacter);
    }
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(key)? == name && found.replace(decoded(value)?).is_some() {
            return Err(Refusal::QueryTwice);
        }
    }
    Ok(found)
}

fn decoded(text: &str) -> Result<String, Refusal> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        if byte == b'%' && !(digit(bytes.next()) && digit(bytes.next())) {
            return Err(Refusal::QueryEncoding);
        }
    }
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced).decode_utf8().map(Into::into).map_err(|_| Refusal::QueryEncoding)
}
