//! Moments: RFC 3339 outside, integer epoch milliseconds inside.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The wall clock in epoch milliseconds.
pub fn now_ms() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Reads an RFC 3339 date-time with its zone; parts of a millisecond are cut off. None: it is none.
pub fn parse(text: &str) -> Option<i64> {
    // RFC 3339 lets `T` and `Z` be lower case or a space; the state has one form.
    if !text.is_ascii() || text.as_bytes().get(10) != Some(&b'T') || text.ends_with('z') {
        return None;
    }
    // The years that a protobuf Timestamp holds, and this module writes back.
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok().filter(|moment| moment.to_utc().year() >= 1)?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

/// Writes epoch milliseconds as RFC 3339 UTC, with three decimals only where they say something.
/// None: outside the years 1 to 9999.
pub fn format(ms: i64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms).checked_mul(1_000_000)?).ok()?;
    if moment.year() < 1 {
        return None;
    }
    let date = moment.date();
    let (hour, minute, second, milli) = moment.to_hms_milli();
    let day = format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day());
    if milli == 0 {
        return Some(format!("{day}T{hour:02}:{minute:02}:{second:02}Z"));
    }
    Some(format!("{day}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn reads_and_writes_moments() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse("1970-01-01T00:00:00.0019Z"), Some(1));
        assert_eq!(parse("1969-12-31T23:59:59.9999Z"), Some(-1));
        assert_eq!(format(1).as_deref(), Some("1970-01-01T00:00:00.001Z"));
        assert_eq!(format(1_772_442_000_000).as_deref(), Some("2026-03-02T09:00:00Z"));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2026-03-02",
            "2026-03-02T09:00:00",
            "2026-02-30T09:00:00Z",
            "2026-03-02 09:00:00Z",
            "2026-03-02t09:00:00z",
            "1772442000",
            "0000-01-01T00:00:00Z",
            "2026-03-02T24:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
