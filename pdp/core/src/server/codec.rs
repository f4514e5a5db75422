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

/// The error's text lists the places it passed, outermost first: `Subject.id: invalid string value: …`.
fn explain(error: &DecodeError) -> InvalidRequest {
    let text = error.to_string();
    let text = text.strip_prefix("failed to decode Protobuf message: ").unwrap_or(&text);
    let mut path: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((place, after)) = rest.split_once(": ") {
        match place.split_once('.') {
            Some((_, field)) if !place.contains(' ') => path.push(field),
            _ => break,
        }
        rest = after;
    }
    InvalidRequest::new(path.join("."), format!("is not a valid message: {rest}"))
}
