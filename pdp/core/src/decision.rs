//! What a decision is, and how a policy's result document becomes one.

mod result;

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

pub use self::result::outcome_of;
use crate::bundle::Bundle;
use crate::error::FailClosed;
use crate::records::View;
use crate::timestamp;

/// A text in the languages of the portal's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub nl: String,
    pub en: String,
}

/// Why a request is denied.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    pub code: String,
    /// Empty where no article applies (failing closed).
    pub article: String,
    pub message: Message,
    pub details: Map<String, Value>,
}

/// An obligation or a notice: a type, the article it rests on, and the rest flat beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    pub kind: String,
    pub article: String,
    pub parameters: Map<String, Value>,
}

/// The part of a decision that depends on request, records, policy and time only.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub allow: bool,
    /// Sorted by code; empty exactly when allowed.
    pub reasons: Vec<Reason>,
    pub obligations: Vec<Advice>,
    pub notices: Vec<Advice>,
    pub accountable: Option<Map<String, Value>>,
    /// Epoch milliseconds; None: the clock alone never changes it.
    pub valid_until: Option<i64>,
    /// Made by the host because no policy result could be trusted; never reused.
    pub failed: bool,
    /// The outcome as the gRPC door writes it, made when first written.
    pub encoded: Encoded,
    /// The same for doors that write JSON.
    pub encoded_json: Encoded,
}

/// Bytes that say the same as the outcome that holds them: nothing to compare.
#[derive(Debug, Clone, Default)]
pub struct Encoded(OnceLock<Box<[u8]>>);

impl Encoded {
    pub fn get_or_init(&self, encode: impl FnOnce() -> Box<[u8]>) -> &[u8] {
        self.0.get_or_init(encode)
    }
}

impl PartialEq for Encoded {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub outcome: Arc<Outcome>,
    pub policy_revision: Arc<str>,
    /// 32 lower hex digits, random.
    pub decision_id: String,
    /// The state it was made from, which counts as in use for as long as this lives; None: there was none.
    pub view: Option<Arc<View>>,
    /// None: the caller does not keep answers, or must not keep this one.
    pub cache: Option<CacheTerms>,
}

/// What a gateway that keeps an answer must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheTerms {
    /// To be forgotten when its watch names one of these.
    pub tags: Vec<String>,
    pub generation: u64,
    /// Of each shard.
    pub sequences: Vec<u64>,
}

impl Outcome {
    /// The denial that stands for whatever the service cannot decide safely.
    pub fn fail_closed(why: FailClosed) -> Self {
        let (nl, en) = why.message();
        let reason = Reason {
            code: why.code().to_owned(),
            article: String::new(),
            message: Message { nl: nl.to_owned(), en: en.to_owned() },
            details: Map::new(),
        };
        Self {
            allow: false,
            reasons: vec![reason],
            obligations: Vec::new(),
            notices: Vec::new(),
            accountable: None,
            valid_until: None,
            failed: true,
            encoded: Encoded::default(),
            encoded_json: Encoded::default(),
        }
    }
}

impl Reason {
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code,
            "article": self.article,
            "message": {"nl": self.message.nl, "en": self.message.en},
            "details": self.details,
        })
    }
}

impl Advice {
    pub fn to_json(&self) -> Value {
        let mut members = self.parameters.clone();
        members.insert("type".to_owned(), self.kind.clone().into());
        members.insert("article".to_owned(), self.article.clone().into());
        Value::Object(members)
    }
}

impl Decision {
    pub fn new(outcome: Arc<Outcome>, bundle: Option<&Bundle>, view: Option<Arc<View>>) -> Self {
        Self {
            outcome,
            policy_revision: bundle.map_or_else(|| "".into(), |bundle| Arc::clone(&bundle.revision)),
            decision_id: new_decision_id(),
            view,
            cache: None,
        }
    }

    /// What a gateway may keep this answer on, which depends on these tags: nothing, when the service itself
    /// denied.
    pub fn keepable(mut self, tags: impl FnOnce() -> Vec<String>) -> Self {
        if let (Some(view), false) = (&self.view, self.outcome.failed) {
            let (generation, sequences) = (view.generation, view.sequences().collect());
            self.cache = Some(CacheTerms { tags: tags(), generation, sequences });
        }
        self
    }

    /// "" when no state was loaded.
    pub fn state_token(&self) -> &str {
        self.view.as_ref().map_or("", |view| &view.token)
    }

    /// The decision as JSON, with the contract's field names.
    pub fn to_json(&self) -> Value {
        let outcome = &self.outcome;
        json!({
            "allow": outcome.allow,
            "reasons": outcome.reasons.iter().map(Reason::to_json).collect::<Vec<_>>(),
            "obligations": outcome.obligations.iter().map(Advice::to_json).collect::<Vec<_>>(),
            "notices": outcome.notices.iter().map(Advice::to_json).collect::<Vec<_>>(),
            "accountable": outcome.accountable,
            "valid_until": outcome.valid_until.and_then(timestamp::format),
            "policy_revision": &*self.policy_revision,
            "state_token": self.state_token(),
            "decision_id": self.decision_id,
        })
    }
}

/// A fresh decision id: random (a cryptographic generator, seeded by the system), derived from nothing.
fn new_decision_id() -> String {
    format!("{:032x}", rand::random::<u128>())
}
