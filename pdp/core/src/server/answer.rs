//! `CheckResponse` on the wire: the outcome's part is encoded once and kept with it, so that an outcome from
//! the cache costs a copy.

use prost::DecodeError;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType, message};
use prost_types::Timestamp;

use super::proto;
use super::structs::Struct;
use crate::decision::{Advice, Decision, Outcome, Reason};

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
    }

    fn encoded_len(&self) -> usize {
        let Some(decision) = &self.0 else { return 0 };
        [&*decision.policy_revision, decision.state_token(), &decision.decision_id]
            .into_iter()
            .map(text_len)
            .fold(outcome_bytes(&decision.outcome).len(), usize::saturating_add)
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
    if value.is_empty() {
        return 0;
    }
    let length = encoding::encoded_len_varint(u64::try_from(value.len()).unwrap_or(u64::MAX));
    value.len().saturating_add(length).saturating_add(1)
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

    use super::Answer;
    use crate::decision::{Decision, Outcome};
    use crate::error::FailClosed;
    use crate::records::View;

    #[test]
    fn its_length_is_what_it_writes() {
        let outcome = Arc::new(Outcome::fail_closed(FailClosed::StateStale));
        let view = Some(Arc::new(View::named("1.00000000")));
        let decision = Decision { outcome, policy_revision: "r".into(), decision_id: "d".repeat(32), view };
        let answer = Answer(Some(decision));
        assert_eq!(answer.encode_to_vec().len(), answer.encoded_len());
        assert!(answer.encode_to_vec().ends_with(b"dd"));
        assert_eq!(Answer(None).encode_to_vec(), b"");
    }
}
