//! Paths in their one accepted form. Nothing is ever normalised: what is not in that form is refused.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_compatible, is_combining_mark};

use crate::error::Refusal;

/// Longest target, in bytes.
const MOST_BYTES: usize = 8_192;

/// A target in its accepted form.
#[derive(Debug)]
pub struct Target<'a> {
    /// As sent, none of them empty.
    pub segments: Vec<&'a str>,
    /// Another path than the one without it.
    pub trailing_slash: bool,
    pub query: &'a str,
}

impl<'a> Target<'a> {
    pub fn read(target: &'a str) -> Result<Self, Refusal> {
        if target.len() > MOST_BYTES {
            return Err(Refusal::TargetTooLong);
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let inner = path.strip_prefix('/').ok_or(Refusal::TargetNotAPath)?;
        if !query.bytes().all(in_query) {
            return Err(Refusal::QueryCharacter);
        }
        if inner.is_empty() {
            return Ok(Self { segments: Vec::new(), trailing_slash: true, query });
        }
        let (inner, trailing_slash) = inner.strip_suffix('/').map_or((inner, false), |inner| (inner, true));
        let segments: Vec<&str> = inner.split('/').collect();
        segments.iter().try_for_each(|segment| check(segment))?;
        Ok(Self { segments, trailing_slash, query })
    }
}

/// The value of a segment that passed `check`.
pub fn decoded(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

/// What careless programs may take a segment for: decoded, folded, `+` as a space, without spaces around it and
/// without dots behind it, as Windows names files.
pub fn careless(segment: &str) -> String {
    let decoded = decoded(segment);
    let folded = if decoded.is_ascii() { decoded.to_ascii_lowercase() } else { folded(&decoded) };
    let spaced = folded.replace('+', " ");
    spaced.trim().trim_end_matches([' ', '.']).to_owned()
}

/// Without case, compatibility forms, accents and what nobody sees: file systems, databases and comparisons drop some
/// of them. In capitals first, as `ı` and `ſ` have those of `i` and `s`.
fn folded(text: &str) -> String {
    let letters = text.nfkd().filter(|character| !is_combining_mark(*character) && !is_invisible(*character));
    letters.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// Of the characters that Unicode calls default ignorable, those that stand in text.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Whether some program makes a separator of a character beyond ASCII: by its compatibility form, or, as Windows does,
/// by what looks best like it.
fn separates(character: char) -> bool {
    let mut within = false;
    decompose_compatible(character, |part| within |= r"/\.%;?#".contains(part));
    within || character.is_control() || "\u{2044}\u{2215}\u{2216}".contains(character)
}

/// INVARIANT: a segment that passes has no second reading. Decoding it once or more often, resolving dots, merging
/// slashes, cutting parameters, a query or a fragment off, turning backslashes round: each leaves one segment, which
/// differs from it in the encoding of characters that separate nothing.
fn check(segment: &str) -> Result<(), Refusal> {
    if segment.is_empty() {
        return Err(Refusal::EmptySegment);
    }
    if is_plain(segment) {
        return Ok(());
    }
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let high = digit(bytes.next()).ok_or(Refusal::PathEncoding)?;
            let low = digit(bytes.next()).ok_or(Refusal::PathEncoding)?;
            let meant = u8::try_from(high.saturating_mul(16).saturating_add(low)).unwrap_or_default();
            encoded(meant)?;
        } else if !in_segment(byte) {
            return Err(Refusal::PathCharacter);
        }
    }
    let meant = percent_decode_str(segment).decode_utf8().map_err(|_| Refusal::PathNotUtf8)?;
    if meant.chars().any(|character| !character.is_ascii() && separates(character)) {
        return Err(Refusal::PathEncodedSeparator);
    }
    if careless(segment).is_empty() { Err(Refusal::DotSegment) } else { Ok(()) }
}

/// Whether nobody reads a segment otherwise than as it stands, careless programs included: most segments are so.
pub fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    !segment.is_empty() && segment.bytes().all(plain)
}

/// What may stand encoded: not what somebody might decode and then read as more than a character.
fn encoded(byte: u8) -> Result<(), Refusal> {
    match byte {
        b'-' | b'.' | b'_' | b'~' => Err(Refusal::PathEncodedNeedlessly),
        _ if byte.is_ascii_alphanumeric() => Err(Refusal::PathEncodedNeedlessly),
        b'/' | b'\\' | b'%' | b';' | b'?' | b'#' => Err(Refusal::PathEncodedSeparator),
        _ if byte.is_ascii_control() => Err(Refusal::PathEncodedSeparator),
        _ => Ok(()),
    }
}

/// `pchar` of RFC 3986 without `%` and without `;`, which some applications cut a segment off at.
fn in_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// Visible ASCII, as everybody sends it, whether RFC 3986 has it or not; a fragment never reaches a server.
fn in_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}
