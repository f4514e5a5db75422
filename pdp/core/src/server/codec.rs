//! Protobuf over gRPC, with malformed messages as `INVALID_ARGUMENT` that names the field.

use std::marker::PhantomData;

use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::convert::invalid_argument;
use crate::error::InvalidRequest;

pub struct Codec<T, U>(PhantomData<(T, U)>);

/// A message that goes out, and what of it is held until its call has been answered.
pub trait Outgoing: Message {
    /// Dropped together with the response's body.
    type Held: Send + 'static;

    /// Called once the message is encoded.
    fn held(self) -> Self::Held;
}

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Outgoing + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProtoEncoder<T>;
    type Decoder = ProtoDecoder<U>;

    fn encoder(&mut self) -> ProtoEncoder<T> {
        ProtoEncoder { held: None }
    }

    fn decoder(&mut self) -> ProtoDecoder<U> {
        ProtoDecoder(PhantomData)
    }
}

/// Made for one call and owned by its response's body, which lives until the HTTP/2 layer has taken its last
/// frame, or the call was cancelled.
pub struct ProtoEncoder<T: Outgoing> {
    held: Option<T::Held>,
}

impl<T: Outgoing> Encoder for ProtoEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|error| Status::internal(error.to_string()))?;
        self.held = Some(item.held());
        Ok(())
    }
}

pub struct ProtoDecoder<T>(PhantomData<T>);

impl<T: Message + Default> Decoder for ProtoDecoder<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(message).map(Some).map_err(|error| invalid_argument(&explain(&error)))
    }
}

/// The error's text lists the places on the way to the fault, innermost first:
/// `Subject.id: CheckRequest.subject: invalid string value: …`.
fn explain(error: &DecodeError) -> InvalidRequest {
    let text = error.to_string();
    let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    let mut path: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((place, after)) = rest.split_once(": ") {
        match place.split_once('.') {
            // A field that is called as a word of Rust's, such as `type`, has its name in Rust there.
            Some((_, field)) if !place.contains(' ') => path.push(field.strip_prefix("r#").unwrap_or(field)),
            _ => break,
        }
        rest = after;
    }
    path.reverse();
    InvalidRequest::new(path.join("."), format!("is not a valid message: {rest}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use prost::Message;

    use super::explain;
    use crate::server::proto::{CheckBatchRequest, CheckRequest};

    /// A field with its length before it.
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag << 3 | 2];
        prost::encoding::encode_varint(u64::try_from(content.len()).expect("a length"), &mut bytes);
        bytes.extend_from_slice(content);
        bytes
    }

    /// A struct in a member of a struct, so many levels deep.
    fn nested(levels: usize) -> Vec<u8> {
        (0..levels).fold(Vec::new(), |inner, _| field(1, &[field(1, b"a"), field(2, &field(5, &inner))].concat()))
    }

    fn refused<T: Message + Default + std::fmt::Debug>(bytes: &[u8]) -> (String, String) {
        let invalid = explain(&T::decode(bytes).expect_err("no valid message"));
        (invalid.field, invalid.message)
    }

    #[test]
    fn the_path_goes_from_the_outside_to_the_fault() {
        let utf8 = "is not a valid message: invalid string value: data is not UTF-8 encoded";
        for (bytes, path) in [
            (field(1, &field(2, b"\xff")), "subject.id"),
            (field(1, &field(1, b"\xff")), "subject.type"),
            (field(2, &field(1, b"\xff")), "action.name"),
            (field(5, b"\xff"), "at_least_as_fresh"),
        ] {
            assert_eq!(refused::<CheckRequest>(&bytes), (path.to_owned(), utf8.to_owned()));
        }
        let batch = field(1, &field(1, &field(2, b"\xff")));
        assert_eq!(refused::<CheckBatchRequest>(&batch), ("requests.subject.id".to_owned(), utf8.to_owned()));
    }

    #[test]
    fn a_struct_beyond_the_recursion_limit_names_its_field() {
        let limit = "is not a valid message: recursion limit reached".to_owned();
        let subject = field(1, &field(3, &nested(40)));
        assert_eq!(refused::<CheckRequest>(&subject), ("subject.properties".to_owned(), limit.clone()));
        assert_eq!(refused::<CheckRequest>(&field(4, &nested(40))), ("context".to_owned(), limit));
    }

    #[test]
    fn what_is_no_message_at_all_names_no_field() {
        assert_eq!(refused::<CheckRequest>(b"\xff").0, "");
        assert_eq!(refused::<CheckRequest>(b"\0").0, "");
    }
}
