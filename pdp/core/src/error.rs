//! What can go wrong, and the texts that leave the process for it.

use thiserror::Error;

/// A request that cannot be decided because it is none: a missing, malformed or oversized field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {message}")]
pub struct InvalidRequest {
    /// Path of the field, e.g. `subject.id`; empty for the request as a whole.
    pub field: String,
    pub message: String,
}

/// A caller's own names come back in errors no longer than this, in bytes: they travel in gRPC headers, which
/// clients read only to a bound.
const MAX_ECHO: usize = 400;

impl InvalidRequest {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: bounded(field.into()), message: bounded(message.into()) }
    }

    /// A request of so many bytes, where fewer are read.
    pub fn too_long(bytes: usize, most: usize) -> Self {
        Self::new("", format!("has {bytes} bytes; at most {most} are read"))
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > MAX_ECHO {
        text.truncate(text.floor_char_boundary(MAX_ECHO));
        text.push('…');
    }
    text
}

/// A document that the schema of its kind refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {key}: {}{message}", if field.is_empty() { String::new() } else { format!("{field}: ") })]
pub struct InvalidRecord {
    pub kind: String,
    pub key: String,
    /// Path in the document, e.g. `grants[0].until`; empty for the document as a whole.
    pub field: String,
    pub message: String,
}

/// A bundle that cannot be loaded; the text is one sentence that says why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LoadError(pub String);

/// An evaluation that gave no result document. It never becomes anything but a denial.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    #[error("the policy's result is undefined")]
    Undefined,
    #[error("the evaluation was stopped or failed: {0}")]
    Failed(String),
}

/// Why the service itself denies (fail closed), whatever the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailClosed {
    StateUnavailable,
    StateStale,
    PolicyError,
    /// A gateway's request that the bundle's routes do not know, or that could be read in two ways.
    RouteUnknown,
    /// A gateway's request that maps to no valid question.
    RequestInvalid,
}

impl FailClosed {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::StateUnavailable => "STATE_UNAVAILABLE",
            Self::StateStale => "STATE_STALE",
            Self::PolicyError => "POLICY_ERROR",
            Self::RouteUnknown => "ROUTE_UNKNOWN",
            Self::RequestInvalid => "REQUEST_INVALID",
        }
    }

    /// (Dutch, English), plain enough for a portal to show.
    pub const fn message(self) -> (&'static str, &'static str) {
        match self {
            Self::StateUnavailable => (
                "Wij kunnen uw gegevens nu niet controleren. Probeer het later opnieuw.",
                "We cannot check your details at the moment. Please try again later.",
            ),
            Self::StateStale => (
                "Wij hebben nu niet de nieuwste gegevens. Probeer het zo opnieuw.",
                "We do not have the latest details at the moment. Please try again shortly.",
            ),
            Self::PolicyError => (
                "Wij kunnen nu niet controleren of u toegang hebt. Probeer het later opnieuw.",
                "We cannot check now whether you have access. Try again later.",
            ),
            Self::RouteUnknown => (
                "Deze pagina bestaat niet of kunt u zo niet openen.",
                "This page does not exist, or cannot be opened this way.",
            ),
            Self::RequestInvalid => (
                "Dit verzoek klopt niet. Controleer wat u hebt ingevuld.",
                "This request is not valid. Check what you filled in.",
            ),
        }
    }
}
