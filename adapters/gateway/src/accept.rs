//! What a browser prefers: `Accept` and `Accept-Language`, with their quality values (RFC 9110, section 12.4.2).

/// Languages that texts are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Dutch,
    English,
}

impl Language {
    /// The tag, for `lang` and `Content-Language`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Dutch => "nl",
            Self::English => "en",
        }
    }

    /// Dutch unless English is preferred.
    pub fn preferred(accept_language: Option<&str>) -> Self {
        let header = accept_language.unwrap_or_default();
        let quality = |tag| {
            let prefix_of =
                |range: &str| range.split('-').next().is_some_and(|main| main.eq_ignore_ascii_case(tag));
            best(header, prefix_of).or_else(|| best(header, |range| range == "*")).unwrap_or_default()
        };
        if quality("en") > quality("nl") { Self::English } else { Self::Dutch }
    }
}

/// Whether a page rather than JSON is asked for: browsers name `text/html`, programs do not.
pub fn wants_page(accept: Option<&str>) -> bool {
    let header = accept.unwrap_or_default();
    let named = |kind: &'static str| move |range: &str| range.eq_ignore_ascii_case(kind);
    let page = best(header, named("text/html")).or_else(|| best(header, named("application/xhtml+xml")));
    let json = best(header, named("application/problem+json")).max(best(header, named("application/json")));
    page.is_some_and(|page| page > 0) && page > json
}

/// The highest quality, in thousandths, of the ranges that match; None: none does.
fn best(header: &str, matches: impl Fn(&str) -> bool) -> Option<u16> {
    let ranges = header.split(',').filter_map(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let range = parts.next().filter(|range| matches(range))?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Some((range, quality.map_or(Some(1_000), thousandths)?))
    });
    ranges.map(|(_, quality)| quality).max()
}

/// A quality value: 0 to 1 with at most three decimals. None for any other text.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value = format!("{whole}{decimals:0<3}").parse::<u16>().ok()?;
    (matches!(whole, "0" | "1") && value <= 1_000).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::{Language, wants_page};

    #[test]
    fn the_language_of_most_quality_and_dutch_otherwise() {
        for (header, tag) in [
            (None, "nl"),
            (Some(""), "nl"),
            (Some("en"), "en"),
            (Some("en-GB,en;q=0.9"), "en"),
            (Some("nl,en;q=0.9"), "nl"),
            (Some("en;q=0.5, nl-NL;q=0.4"), "en"),
            (Some("en;q=0"), "nl"),
            (Some("de, fr;q=0.9"), "nl"),
            (Some("*, nl;q=0.1"), "en"),
            (Some("en;q=2"), "nl"),
            (Some("EN"), "en"),
            (Some("\u{e9};q=\u{e9},,;;q=1"), "nl"),
        ] {
            assert_eq!(Language::preferred(header).tag(), tag, "{header:?}");
        }
    }

    #[test]
    fn a_page_for_browsers_only() {
        for (header, page) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), true),
            (Some("application/json, text/html;q=0.5"), false),
            (Some("application/problem+json"), false),
            (Some("text/html;q=0"), false),
        ] {
            assert_eq!(wants_page(header), page, "{header:?}");
        }
    }
}
