//! The string formats that schemas may name, checked when a document is written or a request comes in.

use crate::timestamp;

/// `nl-elfproef`: the first nine digits pass the Dutch eleven-test (RSIN, BSN, fiscal numbers).
pub const ELFPROEF: &str = "nl-elfproef";
/// `date-time`: RFC 3339; a document holds it as epoch milliseconds.
pub const DATE_TIME: &str = "date-time";

/// Sum over i = 0..7 of (9 - i) * d\[i\], mod 11, equals d\[8\]; a remainder of 10 and all zeros fail.
pub fn elfproef(text: &str) -> bool {
    let Some(digits) = text.as_bytes().get(..9) else { return false };
    if !digits.iter().all(u8::is_ascii_digit) || digits.iter().all(|digit| *digit == b'0') {
        return false;
    }
    let weighted = digits.iter().zip((2..=9u32).rev());
    let sum: u32 = weighted.map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')).wrapping_mul(weight)).sum();
    digits.last().is_some_and(|check| sum % 11 == u32::from(check.wrapping_sub(b'0')))
}

/// Whether a text is a moment of this service.
pub fn date_time(text: &str) -> bool {
    timestamp::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::elfproef;

    #[test]
    fn elfproef_of_known_numbers() {
        for good in ["123456782", "111222333", "123456782L01"] {
            assert!(elfproef(good), "{good}");
        }
        for bad in ["123456789", "000000000", "12345678", "12345678a", "", "１２３４５６７８２"] {
            assert!(!elfproef(bad), "{bad}");
        }
    }
}
