//! Calls that get no answer: an HTTP status and one sentence, as AuthZEN writes it or as problem details (RFC 9457).

use axum::body::Body;
use axum::http::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use pdp_core::error::{FailClosed, InvalidRequest};
use pdp_core::search::SearchError;
use pdp_core::server::http::BodyError;
use serde_json::json;

const PROBLEM: &str = "application/problem+json";

/// Why a call has no answer. It says nothing of a decision.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    /// Path of the field that is wrong; empty: none in particular.
    field: String,
    message: String,
    allow: Option<&'static str>,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, field: String::new(), message: message.into(), allow: None }
    }

    pub fn bad_request(field: &str, message: impl Into<String>) -> Self {
        InvalidRequest::new(field, message).into()
    }

    pub fn method(method: &Method, allow: &'static str) -> Self {
        let message = format!("{method} is not a method of this address; it takes {allow}");
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    /// Whether the body of the call was not read to its end.
    pub fn leaves_body_unread(&self) -> bool {
        matches!(
            self.status,
            StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::PAYLOAD_TOO_LARGE
        )
    }

    /// One sentence, with the field where there is one.
    fn sentence(&self) -> String {
        if self.field.is_empty() { self.message.clone() } else { format!("{}: {}", self.field, self.message) }
    }

    /// AuthZEN asks for "an error message string"; problem details come to those who accept them.
    pub fn response(&self, as_problem: bool) -> Response<Body> {
        let (content_type, body) = if as_problem {
            let title = self.status.canonical_reason().unwrap_or_default();
            let mut problem = json!({
                "type": "about:blank",
                "title": title,
                "status": self.status.as_u16(),
                "detail": self.sentence(),
            });
            if let (Some(members), false) = (problem.as_object_mut(), self.field.is_empty()) {
                members.insert("field".to_owned(), self.field.clone().into());
            }
            (PROBLEM, problem.to_string())
        } else {
            ("application/json", json!(self.sentence()).to_string())
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Whether the caller asks for problem details: its Accept names them, other than with `q=0`.
pub fn accepts_problems(headers: &HeaderMap) -> bool {
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    ranges.into_iter().any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(PROBLEM));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        named && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

impl From<InvalidRequest> for Refusal {
    fn from(error: InvalidRequest) -> Self {
        let InvalidRequest { field, message } = error;
        let message = if field.is_empty() { format!("The request {message}") } else { message };
        Self { status: StatusCode::BAD_REQUEST, field, message, allow: None }
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than is read"),
            BodyError::TooSlow => Self::new(StatusCode::REQUEST_TIMEOUT, "The body took too long to come"),
            BodyError::Broken => Self::new(StatusCode::BAD_REQUEST, "The body did not come whole"),
        }
    }
}

impl From<FailClosed> for Refusal {
    fn from(why: FailClosed) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{}: {}", why.code(), why.message().1))
    }
}

impl From<SearchError> for Refusal {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Invalid(error) => error.into(),
            SearchError::NotDeclared => {
                Self::new(StatusCode::NOT_IMPLEMENTED, "The bundle declares no search of this kind")
            }
            SearchError::NotHeld(kind) => {
                let message = format!(
                    "This sidecar holds records of the kind {kind} only as far as they are used, so it cannot search \
                     them; one that holds them whole can"
                );
                Self::new(StatusCode::NOT_IMPLEMENTED, message)
            }
            SearchError::Unavailable(why) => why.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::accepts_problems;

    #[test]
    fn problem_details_are_for_those_who_name_them() {
        for (accept, asked) in [
            ("application/problem+json", true),
            ("application/json, application/Problem+JSON;q=0.5", true),
            ("application/problem+json;charset=utf-8;q=1", true),
            ("application/problem+json;q=0", false),
            ("application/problem+json;q=x", false),
            ("application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(super::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(accepts_problems(&headers), asked, "{accept}");
        }
    }
}
