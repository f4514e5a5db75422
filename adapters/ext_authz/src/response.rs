//! Writes Envoy's `CheckResponse`.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::{
    HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
};
use envoy_types::pb::envoy::service::auth::v3::{
    CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response::HttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind as ValueKind};
use envoy_types::pb::google::rpc::Status;
use http::{HeaderMap, HeaderName, StatusCode};
use pdp_gateway::{DECISION_ID, HEADER_NAMES, HEADER_PREFIX, Reply, Verdict};
use tonic::Code;

/// What later filters and the access log see of a verdict, in the namespace `envoy.filters.http.ext_authz`.
pub fn metadata(verdict: &Verdict) -> Struct {
    let mut fields = HashMap::new();
    let mut add = |name: &str, kind| fields.insert(name.to_owned(), Value { kind: Some(kind) });
    add("answer", ValueKind::StringValue(verdict.kind.label().to_owned()));
    add("route", ValueKind::StringValue(verdict.route.clone()));
    if let Some(decision) = &verdict.decision {
        add("decision_id", ValueKind::StringValue(decision.decision_id.clone()));
        add("policy_revision", ValueKind::StringValue(decision.policy_revision.to_string()));
        add("state_token", ValueKind::StringValue(decision.state_token().to_owned()));
        let codes = decision.outcome.reasons.iter();
        let values = codes.map(|reason| Value { kind: Some(ValueKind::StringValue(reason.code.clone())) });
        add("codes", ValueKind::ListValue(ListValue { values: values.collect() }));
    }
    Struct { fields }
}

/// The message that lets a request go on, or denies it.
pub fn message(reply: Reply, forwarded: &HeaderMap, metadata: Struct) -> CheckResponse {
    let (code, http_response) = if reply.status == StatusCode::OK {
        (Code::Ok, HttpResponse::OkResponse(go_on(&reply, forwarded)))
    } else {
        let code =
            if reply.status == StatusCode::FORBIDDEN { Code::PermissionDenied } else { Code::Unauthenticated };
        (code, HttpResponse::DeniedResponse(deny(reply)))
    };
    CheckResponse {
        status: Some(Status { code: code.into(), ..Default::default() }),
        dynamic_metadata: Some(metadata),
        http_response: Some(http_response),
    }
}

fn go_on(reply: &Reply, forwarded: &HeaderMap) -> OkHttpResponse {
    let set = |name: &HeaderName| reply.headers.iter().any(|(own, _)| own == name);
    let forged = forwarded.keys().filter(|name| name.as_str().starts_with(HEADER_PREFIX)).cloned();
    let mut remove: Vec<HeaderName> = HEADER_NAMES.into_iter().chain(forged).filter(|name| !set(name)).collect();
    remove.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    remove.dedup();
    let id = reply.headers.iter().filter(|(name, _)| *name == DECISION_ID);
    OkHttpResponse {
        headers: options(&reply.headers),
        headers_to_remove: remove.iter().map(HeaderName::to_string).collect(),
        response_headers_to_add: id.flat_map(|header| options(std::slice::from_ref(header))).collect(),
        ..Default::default()
    }
}

fn deny(reply: Reply) -> DeniedHttpResponse {
    DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(reply.status.as_u16()) }),
        headers: options(&reply.headers),
        body: reply.body,
    }
}

/// Headers that take the place of those of the same name.
fn options(headers: &[(HeaderName, http::HeaderValue)]) -> Vec<HeaderValueOption> {
    let option = |(name, value): &(HeaderName, http::HeaderValue)| HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_string(),
            value: value.to_str().unwrap_or_default().to_owned(),
            raw_value: Vec::new(),
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..Default::default()
    };
    headers.iter().map(option).collect()
}
