//! Numbers of Dutch organisations, by their published patterns. A text with digits of another script is none.

/// KvK number: eight digits, leading zeros count, no check digit.
pub fn is_kvk(text: &str) -> bool {
    digits(text, 8)
}

/// Branch number (vestigingsnummer): twelve digits.
pub fn is_branch(text: &str) -> bool {
    digits(text, 12)
}

/// RSIN or BSN: nine digits that pass the elfproef.
pub fn passes_elfproef(text: &str) -> bool {
    if !digits(text, 9) || text == "000000000" {
        return false;
    }
    let mut values = text.bytes().map(|digit| u32::from(digit.saturating_sub(b'0')));
    let weighed: u32 =
        (2..=9).rev().zip(values.by_ref()).map(|(weight, digit): (u32, u32)| weight.saturating_mul(digit)).sum();
    values.next() == Some(weighed % 11)
}

fn digits(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{is_branch, is_kvk, passes_elfproef};

    #[test]
    fn patterns_and_check_digits() {
        for (number, passes) in [
            ("123456782", true),
            ("111222333", true),
            ("123456789", false),
            ("000000000", false),
            ("12345678", false),
            ("100000030", false),
            ("12345678२", false),
        ] {
            assert_eq!(passes_elfproef(number), passes, "{number}");
        }
        assert!(is_kvk("00000001"));
        assert!(!is_kvk("1234567") && !is_kvk("123456789") && !is_kvk(" 2345678") && !is_kvk("1234567a"));
        assert!(is_branch("000012345678") && !is_branch("12345678901") && !is_branch(""));
    }
}
