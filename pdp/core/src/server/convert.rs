//! Between protobuf messages and the core's own types.

use prost::Message as _;
use serde_json::{Map, Value};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use super::proto;
use super::structs::Struct;
use crate::error::InvalidRequest;
use crate::request::{RawRequest, Request};
use crate::strict_json::MAX_DEPTH;

/// The gRPC status of an invalid request: the field in the text and in `google.rpc.BadRequest`.
pub fn invalid_argument(invalid: &InvalidRequest) -> Status {
    let field = if invalid.field.is_empty() { "request" } else { &invalid.field };
    let details = ErrorDetails::with_bad_request_violation(field, &invalid.message);
    Status::with_error_details(tonic::Code::InvalidArgument, format!("{field}: {}", invalid.message), details)
}

/// Reads and checks one request.
pub fn request(message: proto::CheckRequest, max_bytes: usize) -> Result<Request, InvalidRequest> {
    let bytes = message.encoded_len();
    if bytes > max_bytes {
        return Err(InvalidRequest::too_long(bytes, max_bytes));
    }
    let subject = message
        .subject
        .map(|subject| entity("subject", vec![("type", subject.r#type), ("id", subject.id)], subject.properties));
    let action = message.action.map(|action| entity("action", vec![("name", action.name)], action.properties));
    let resource = message.resource.map(|resource| {
        entity("resource", vec![("type", resource.r#type), ("id", resource.id)], resource.properties)
    });
    Request::from_parts(RawRequest {
        subject: subject.transpose()?,
        action: action.transpose()?,
        resource: resource.transpose()?,
        context: message.context.map(|context| object(context, "context", 0)).transpose()?.unwrap_or_default(),
        at_least_as_fresh: Some(message.at_least_as_fresh),
        cacheable: message.cacheable,
    })
}

fn entity(
    name: &str,
    texts: Vec<(&str, String)>,
    properties: Option<Struct>,
) -> Result<Map<String, Value>, InvalidRequest> {
    let mut members = Map::new();
    for (field, text) in texts {
        members.insert(field.to_owned(), Value::String(text));
    }
    if let Some(properties) = properties {
        let path = format!("{name}.properties");
        members.insert("properties".to_owned(), Value::Object(object(properties, &path, 1)?));
    }
    Ok(members)
}

/// The members of a struct that stands `above` levels beneath the top of the request.
fn object(message: Struct, path: &str, above: usize) -> Result<Map<String, Value>, InvalidRequest> {
    if let Some(fault) = message.fault {
        return Err(InvalidRequest::new(fault.path(path), fault.message));
    }
    if message.depth.saturating_add(above).saturating_add(1) > MAX_DEPTH {
        return Err(InvalidRequest::new(path, format!("is nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(message.members)
}
