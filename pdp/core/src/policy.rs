//! What a policy engine is to the core.

pub mod wasm;

use crate::error::EngineError;

/// Evaluates the bundle's entrypoint. Implementations are called from many threads at once.
pub trait PolicyEngine: Send + Sync {
    /// Takes the input document (JSON), gives the result document (JSON). Whatever goes wrong is an error,
    /// never a result.
    fn evaluate(&self, input: &[u8]) -> Result<Vec<u8>, EngineError>;
}
