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
    for (key, value) in pairs(query) {
        let key = decoded(key)?;
        if key == name {
            if found.replace(decoded(value)?).is_some() {
                return Err(Refusal::QueryTwice);
            }
        } else if careless(&key, name.contains('[')) == careless(name, true) {
            return Err(Refusal::QueryOtherwise);
        }
    }
    Ok(found)
}

/// Whether an application that lets the forms of browsers choose their method takes a POST for another one.
pub fn overridden(query: &str) -> bool {
    pairs(query).any(|(key, _)| careless(&spaced(key), false) == "_method")
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// What an application may take a parameter's name for: ASP.NET does not care for case; PHP and Rails read `a[]` and
/// `a[b]` as `a` (left out: `brackets`), and PHP ` a.b` as `a_b`.
fn careless(name: &str, brackets: bool) -> String {
    let ends = |character| character == '\0' || (character == '[' && !brackets);
    let plain = name.trim().split(ends).next().unwrap_or_default();
    plain.to_lowercase().replace([' ', '.'], "_")
}

fn spaced(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
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
