//! `CheckResponse` on the wire: the outcome's part is encoded once and kept with it, so that an outcome from
//! the cache costs a copy.

use prost::DecodeError;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType, message};
use prost_types::Timestamp;

use super::proto;
use super::structs::Struct;
use crate::decision::{Advice, CacheTerms, Decision, Outcome, Reason};

/// In place of the generated `CheckResponse`; the fields' numbers are those of `decision.proto`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer(pub Option<Decision>);

impl Message for Answer {
    fn encode_raw(&self, out: &mut impl BufMut) {
        let Some(decision) = &self.0 else { return };
        out.put_slice(outcome_bytes(&decision.outcome));
        text(7, &decision.policy_revision, out);
        text(8, decision.state_token(), out);
        text(9, &decision.decision_id, out);
        if let Some(terms) = &decision.cache {
            encoding::encode_key(10, WireType::LengthDelimited, out);
            encoding::encode_varint(u64::try_from(terms_len(terms)).unwrap_or(u64::MAX), out);
            write_terms(terms, out);
        }
    }

    fn encoded_len(&self) -> usize {
        let Some(decision) = &self.0 else { return 0 };
        let terms = decision.cache.as_ref().map_or(0, |terms| delimited_len(terms_len(terms)));
        [&*decision.policy_revision, decision.state_token(), &decision.decision_id]
            .into_iter()
            .map(text_len)
            .fold(outcome_bytes(&decision.outcome).len().saturating_add(terms), usize::saturating_add)
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        // A server only writes answers; whoever sends one to it wrote a field it does not know.
        encoding::skip_field(wire_type, tag, buf, context)
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

fn text(tag: u32, value: &str, out: &mut impl BufMut) {
    if !value.is_empty() {
        encoding::encode_key(tag, WireType::LengthDelimited, out);
        encoding::encode_varint(u64::try_from(value.len()).unwrap_or(u64::MAX), out);
        out.put_slice(value.as_bytes());
    }
}

fn text_len(value: &str) -> usize {
    if value.is_empty() { 0 } else { delimited_len(value.len()) }
}

/// Of a field numbered below 16 with its length before it.
fn delimited_len(length: usize) -> usize {
    let prefix = encoding::encoded_len_varint(u64::try_from(length).unwrap_or(u64::MAX));
    length.saturating_add(prefix).saturating_add(1)
}

fn write_terms(terms: &CacheTerms, out: &mut impl BufMut) {
    encoding::string::encode_repeated(1, &terms.tags, out);
    encoding::uint64::encode(2, &terms.generation, out);
    encoding::uint64::encode_packed(3, &terms.sequences, out);
}

fn terms_len(terms: &CacheTerms) -> usize {
    encoding::string::encoded_len_repeated(1, &terms.tags)
        .saturating_add(encoding::uint64::encoded_len(2, &terms.generation))
        .saturating_add(encoding::uint64::encoded_len_packed(3, &terms.sequences))
}

/// Fields 1 to 6, made at the first call for this outcome.
fn outcome_bytes(outcome: &Outcome) -> &[u8] {
    outcome.encoded.get_or_init(|| {
        let mut out = Vec::new();
        if outcome.allow {
            encoding::bool::encode(1, &true, &mut out);
        }
        message::encode_repeated(2, &outcome.reasons.iter().map(reason).collect::<Vec<_>>(), &mut out);
        message::encode_repeated(3, &outcome.obligations.iter().map(obligation).collect::<Vec<_>>(), &mut out);
        message::encode_repeated(4, &outcome.notices.iter().map(notice).collect::<Vec<_>>(), &mut out);
        if let Some(accountable) = &outcome.accountable {
            message::encode(5, &Struct::of(accountable), &mut out);
        }
        if let Some(ms) = outcome.valid_until {
            message::encode(6, &timestamp(ms), &mut out);
        }
        out.into()
    })
}

fn reason(reason: &Reason) -> proto::Reason {
    let (nl, en) = (reason.message.nl.clone(), reason.message.en.clone());
    proto::Reason {
        code: reason.code.clone(),
        article: reason.article.clone(),
        message: Some(proto::Message { nl, en }),
        details: Some(Struct::of(&reason.details)),
    }
}

fn obligation(advice: &Advice) -> proto::Obligation {
    let (r#type, article) = (advice.kind.clone(), advice.article.clone());
    proto::Obligation { r#type, article, parameters: Some(Struct::of(&advice.parameters)) }
}

fn notice(advice: &Advice) -> proto::Notice {
    let (r#type, article) = (advice.kind.clone(), advice.article.clone());
    proto::Notice { r#type, article, parameters: Some(Struct::of(&advice.parameters)) }
}

fn timestamp(ms: i64) -> Timestamp {
    let nanos = ms.rem_euclid(1_000).saturating_mul(1_000_000);
    Timestamp { seconds: ms.div_euclid(1_000), nanos: i32::try_from(nanos).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message;

    use super::super::proto;
    use super::Answer;
    use crate::decision::{CacheTerms, Decision, Outcome};
    use crate::error::FailClosed;
    use crate::records::View;

    fn answer(cache: Option<CacheTerms>) -> Answer {
        let outcome = Arc::new(Outcome::fail_closed(FailClosed::StateStale));
        let view = Some(Arc::new(View::named("1.00000000")));
        let decision = Decision { outcome, policy_revision: "r".into(), decision_id: "d".repeat(32), view, cache };
        Answer(Some(decision))
    }

    #[test]
    fn its_length_is_what_it_writes() {
        assert!(answer(None).encode_to_vec().ends_with(b"dd"));
        assert_eq!(Answer(None).encode_to_vec(), b"");
        let tags = (0..100).map(|number| format!("a/{number}")).collect();
        for cache in [None, Some(CacheTerms { tags, generation: 300, sequences: vec![0, 1_000_000] })] {
            let answer = answer(cache);
            assert_eq!(answer.encode_to_vec().len(), answer.encoded_len());
        }
    }

    #[test]
    fn its_terms_are_what_the_generated_message_reads() {
        /// The last field of the answer as the generated code has it.
        #[derive(Clone, PartialEq, Message)]
        struct Tail {
            #[prost(message, optional, tag = "10")]
            cache: Option<proto::CacheTerms>,
        }
        let (tags, sequences) = (vec!["a/x".to_owned(), "i/*".to_owned()], vec![7, 0, 9]);
        let terms = CacheTerms { tags: tags.clone(), generation: 3, sequences: sequences.clone() };
        let read = Tail::decode(answer(Some(terms)).encode_to_vec().as_slice()).expect("an answer");
        assert_eq!(read.cache, Some(proto::CacheTerms { tags, generation: 3, sequences }));
        let bare = Tail::decode(answer(None).encode_to_vec().as_slice()).expect("an answer");
        assert_eq!(bare.cache, None);
    }
}
