//! What a door answers its gateway, before any dialect.

use pdp_core::decision::Decision;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The route is open to everybody: there was nothing to decide.
    Public,
    Allowed,
    /// Nobody has logged in, or not in a way that counts. With where to log in, when that is all that it takes.
    NotLoggedIn(Option<String>),
    /// Logged in, but not at the level that this asks. With where to do so, when that is all that it takes.
    StepUp(Option<String>),
    Denied,
}

impl Kind {
    /// For metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Allowed => "allowed",
            Self::NotLoggedIn(_) => "login",
            Self::StepUp(_) => "step_up",
            Self::Denied => "denied",
        }
    }

    pub const fn lets_through(&self) -> bool {
        matches!(self, Self::Public | Self::Allowed)
    }
}

/// What becomes of a request, and the decision behind it. Its state counts as in use for as long as this lives.
#[derive(Debug)]
pub struct Verdict {
    pub kind: Kind,
    /// None for a public route only.
    pub decision: Option<Decision>,
    /// Why the credentials were not accepted, as a stable word; None: they were, or there were none.
    pub credentials: Option<&'static str>,
    /// The route's name; "" when none was found.
    pub route: String,
}

impl Verdict {
    pub fn public(route: &str) -> Self {
        Self { kind: Kind::Public, decision: None, credentials: None, route: route.to_owned() }
    }

    pub fn denied(decision: Decision) -> Self {
        Self { kind: Kind::Denied, decision: Some(decision), credentials: None, route: String::new() }
    }
}
