//! The metadata document: where the API is and what of it there is. Its URLs come from the configured base URL,
//! never from what a request says of its host.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::Uri;
use pdp_core::bundle::Bundle;
use pdp_core::error::LoadError;
use pdp_core::search::Sought;
use serde_json::{Map, Value};

pub const WELL_KNOWN: &str = "/.well-known/authzen-configuration";
pub const EVALUATION: &str = "/access/v1/evaluation";
pub const EVALUATIONS: &str = "/access/v1/evaluations";
/// Each search with its path and its name in the document.
pub const SEARCHES: [(Sought, &str, &str); 3] = [
    (Sought::Subject, "/access/v1/search/subject", "search_subject_endpoint"),
    (Sought::Resource, "/access/v1/search/resource", "search_resource_endpoint"),
    (Sought::Action, "/access/v1/search/action", "search_action_endpoint"),
];

/// The identifier of the policy decision point: an https URL (http where the host is loopback) without query,
/// fragment, user or trailing slash, e.g. `https://pdp.example.nl` or `https://example.nl/tenant1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: Arc<str>,
    /// Where its path begins.
    path_at: usize,
}

impl BaseUrl {
    /// # Errors
    /// One sentence that says what is wrong with the URL.
    pub fn parse(text: &str) -> Result<Self, LoadError> {
        let refuse = |why: &str| LoadError(format!("The base URL {text:?} cannot be used: {why}."));
        if text.contains(['?', '#', '@']) {
            return Err(refuse("it must have no query, fragment or user"));
        }
        let url: Uri = text.parse().map_err(|_| refuse("it is not a URL"))?;
        let (Some(scheme), Some(host)) = (url.scheme_str(), url.host()) else {
            return Err(refuse("it must begin with https:// and a host"));
        };
        match scheme {
            "https" => {}
            "http" if is_loopback(host) => {}
            _ => return Err(refuse("it must begin with https://, as only a loopback address may do without TLS")),
        }
        let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("", |at| after_scheme.get(at..).unwrap_or_default());
        let plain = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        if !path.is_empty() && !path.split('/').skip(1).all(plain) {
            return Err(refuse("its path must be plain names with one slash between, and none at the end"));
        }
        Ok(Self { path_at: text.len().saturating_sub(path.len()), text: text.into() })
    }

    /// Empty, or a slash and what follows.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// The document for a bundle, as JSON.
    pub fn document(&self, bundle: &Bundle) -> Value {
        let url = |path: &str| Value::from(format!("{}{path}", self.text));
        let mut members = Map::from_iter([
            ("policy_decision_point".to_owned(), url("")),
            ("access_evaluation_endpoint".to_owned(), url(EVALUATION)),
            ("access_evaluations_endpoint".to_owned(), url(EVALUATIONS)),
        ]);
        for (sought, path, name) in SEARCHES {
            if bundle.search.declares(sought) {
                members.insert(name.to_owned(), url(path));
            }
        }
        Value::Object(members)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::BaseUrl;

    #[test]
    fn takes_urls_that_identify_a_decision_point() {
        for (text, path) in [
            ("https://pdp.example.nl", ""),
            ("https://pdp.example.nl:8443", ""),
            ("https://example.nl/tenant1", "/tenant1"),
            ("https://example.nl/a/b-c", "/a/b-c"),
            ("http://127.0.0.1:7084", ""),
            ("http://[::1]:7084", ""),
            ("http://localhost", ""),
        ] {
            assert_eq!(BaseUrl::parse(text).as_ref().map(BaseUrl::path), Ok(path), "{text}");
        }
        for text in [
            "",
            "pdp.example.nl",
            "/access",
            "ftp://pdp.example.nl",
            "http://pdp.example.nl",
            "http://localhost.example.nl",
            "https://pdp.example.nl/",
            "https://pdp.example.nl/a/",
            "https://pdp.example.nl//a",
            "https://pdp.example.nl/a/../b",
            "https://pdp.example.nl/{a}",
            "https://pdp.example.nl/%61",
            "https://pdp.example.nl?tenant=1",
            "https://pdp.example.nl#a",
            "https://user@pdp.example.nl",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
    }
}
