//! Where someone is sent to log in, or to do so at a higher level.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::error::RoutesError;

/// Everything but the unreserved characters of RFC 3986 is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The target that was asked for.
const TARGET: &str = "url";

/// A URL with `{name}` in it, which are filled in percent-encoded.
#[derive(Debug, Clone)]
pub struct UrlTemplate {
    /// A text, and the name behind it; the last has none.
    pieces: Vec<(String, Option<String>)>,
}

impl UrlTemplate {
    /// `more`: whether it may name anything besides `{url}`.
    pub fn read(text: &str, place: &str, more: bool) -> Result<Self, RoutesError> {
        let refuse = |message: &str| Err(RoutesError::new(place, message));
        let absolute = text.starts_with("https://") || text.starts_with("http://");
        if !absolute && (!text.starts_with('/') || text.starts_with("//")) {
            return refuse("must be a path, or a URL that begins with https:// or http://");
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\\"<>".contains(&byte)) {
            return refuse("has a character that may not stand in a URL");
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, from)) = rest.split_once('{') {
            let Some((name, after)) = from.split_once('}') else { return refuse("has a brace without its other") };
            if name != TARGET && (!more || name.is_empty()) {
                return refuse("may name {url} only");
            }
            pieces.push((before.to_owned(), Some(name.to_owned())));
            rest = after;
        }
        if rest.contains('}') {
            return refuse("has a brace without its other");
        }
        pieces.push((rest.to_owned(), None));
        Ok(Self { pieces })
    }

    /// None: it names a parameter that is not there.
    pub fn filled(&self, target: &str, parameters: &Map<String, Value>) -> Option<String> {
        let mut url = String::new();
        for (text, name) in &self.pieces {
            url.push_str(text);
            let Some(name) = name else { continue };
            let value = if name == TARGET { target.to_owned() } else { text_of(parameters.get(name)?)? };
            url.extend(utf8_percent_encode(&value, ENCODED));
        }
        Some(url)
    }
}

/// A text, or a list of texts with spaces between, as OpenID Connect writes `acr_values`.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(" ")),
        _ => None,
    }
}
