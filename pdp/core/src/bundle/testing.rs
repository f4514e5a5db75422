//! Bundles for the tests of the core, around an engine that is a closure.
#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Bundle, Parts};
use crate::error::EngineError;
use crate::policy::PolicyEngine;

struct Closure<F>(F);

impl<F: Fn(&[u8]) -> Result<Vec<u8>, EngineError> + Send + Sync> PolicyEngine for Closure<F> {
    fn evaluate(&self, input: &[u8]) -> Result<Vec<u8>, EngineError> {
        (self.0)(input)
    }
}

fn declaration(lookups: &Value, search: &Value) -> Vec<u8> {
    json!({
        "name": "test",
        "entrypoint": "test/decision",
        "kinds": {"a": {"schema": "any.json"}, "i": {"schema": "any.json"}},
        "lookups": lookups,
        "search": search,
    })
    .to_string()
    .into_bytes()
}

/// A bundle whose policy is a closure from the input document to the result document.
pub fn bundle(
    lookups: &Value,
    engine: impl Fn(&[u8]) -> Result<Vec<u8>, EngineError> + Send + Sync + 'static,
) -> Bundle {
    load(&declaration(lookups, &json!({})), engine)
}

/// A bundle that declares searches and never decides.
pub fn searching(search: &Value) -> Bundle {
    load(&declaration(&json!({}), search), |_| Err(EngineError::Undefined))
}

/// A bundle with lookups and searches.
pub fn bundle_that_searches(
    lookups: &Value,
    search: &Value,
    engine: impl Fn(&[u8]) -> Result<Vec<u8>, EngineError> + Send + Sync + 'static,
) -> Bundle {
    load(&declaration(lookups, search), engine)
}

fn load(
    declaration: &[u8],
    engine: impl Fn(&[u8]) -> Result<Vec<u8>, EngineError> + Send + Sync + 'static,
) -> Bundle {
    let schemas = BTreeMap::from([("any.json".to_owned(), b"{}".to_vec())]);
    let parts = Parts { declaration, schemas: &schemas, revision: "test" };
    Bundle::load(&parts, |_| Ok(Box::new(Closure(engine)))).expect("a bundle")
}
