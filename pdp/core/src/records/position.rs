//! Places in the histories of the shards, and the tokens that stand for them outside.

use std::fmt::Write;

/// A place in the history of one shard. Equal chains mean equal histories; equal numbers alone mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub sequence: u64,
    pub chain: [u8; 20],
}

impl Position {
    /// What a token shows of the chain: its first eight hex digits.
    fn short_chain(&self) -> u32 {
        self.chain.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// A later state holds an earlier one of the same history; of the same number only the same one.
    pub(super) fn contains(&self, part: &Part) -> bool {
        match self.sequence.cmp(&part.sequence) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => self.short_chain() == part.chain,
            std::cmp::Ordering::Greater => true,
        }
    }
}

/// What a token says of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub shard: usize,
    sequence: u64,
    chain: u32,
}

/// What a caller holds of positions: `<sequence>.<eight hex digits of the chain>`, with `<shard>:` before it
/// for every shard but the first; parts of several shards are joined with commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateToken(Vec<Part>);

impl StateToken {
    /// None: the text is no token. A shard may be missing but not stand twice.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(',').map(Part::parse).collect::<Option<Vec<_>>>()?;
        parts.sort_by_key(|part| part.shard);
        let twice = parts.iter().zip(parts.iter().skip(1)).any(|(one, next)| one.shard == next.shard);
        (!twice).then_some(Self(parts))
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        let (shard, rest) = match text.split_once(':') {
            None => (0, text),
            // The first shard's has one form only, without its number.
            Some((shard, rest)) if !shard.starts_with('0') => (number(shard)?, rest),
            Some(_) => return None,
        };
        let (sequence, chain) = rest.split_once('.')?;
        let hex = chain.len() == 8 && chain.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !hex {
            return None;
        }
        let chain = u32::from_str_radix(chain, 16).ok()?;
        Some(Self { shard: shard.try_into().ok()?, sequence: number(sequence)?, chain })
    }
}

/// Digits only: `parse` alone takes a sign too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The token of these positions, of the first shard and on.
pub(super) fn token<'a>(positions: impl Iterator<Item = &'a Position>) -> String {
    let mut token = String::new();
    for (shard, position) in positions.enumerate() {
        let (sequence, chain) = (position.sequence, position.short_chain());
        // Writing to a String does not fail.
        let _ = match shard {
            0 => write!(token, "{sequence}.{chain:08x}"),
            _ => write!(token, ",{shard}:{sequence}.{chain:08x}"),
        };
    }
    token
}

#[cfg(test)]
mod tests {
    use super::{Position, StateToken, token};

    fn at(sequence: u64, byte: u8) -> Position {
        Position { sequence, chain: [byte; 20] }
    }

    #[test]
    fn tokens_have_one_form() {
        for bad in [
            "",
            "1",
            "1.",
            ".07070707",
            "+1.07070707",
            "1.0707070",
            "1.0707070G",
            "1.0707070A",
            "1.07070707.",
            "99999999999999999999.07070707",
            "0:1.07070707",
            "01:1.07070707",
            ":1.07070707",
            "-1:1.07070707",
            "1:1:1.07070707",
            "1.07070707,",
            ",1.07070707",
            "1.07070707,2.07070707",
            "1:1.07070707,2.07070707,1:3.07070707",
            "99999999999999999999:1.07070707",
        ] {
            assert!(StateToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_names_each_shard_and_is_read_in_any_order() {
        let positions = [at(3, 7), at(0, 0), at(12, 255)];
        let text = token(positions.iter());
        assert_eq!(text, "3.07070707,1:0.00000000,2:12.ffffffff");
        let read = StateToken::parse(&text);
        assert_eq!(read, StateToken::parse("2:12.ffffffff,1:0.00000000,3.07070707"));
        let parts = read.as_ref().map_or(&[][..], StateToken::parts);
        assert_eq!(parts.iter().map(|part| part.shard).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(parts.iter().zip(&positions).all(|(part, position)| position.contains(part)));
    }

    #[test]
    fn a_position_contains_what_came_before_and_of_its_own_number_only_itself() {
        let holds = |text| StateToken::parse(text).is_some_and(|token| at(2, 7).contains(&token.parts()[0]));
        assert!(holds("2.07070707") && holds("1.12345678"));
        assert!(!holds("2.08070707") && !holds("3.07070707"));
    }
}
