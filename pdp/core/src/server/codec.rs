//! Protobuf over gRPC, with malformed messages as `INVALID_ARGUMENT` that names the field.

use std::marker::PhantomData;

use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::convert::invalid_argument;
use crate::error::InvalidRequest;

pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Proto<T>;
    type Decoder = Proto<U>;

    fn encoder(&mut self) -> Proto<T> {
        Proto(PhantomData)
    }

    fn decoder(&mut self) -> Proto<U> {
        Proto(PhantomData)
    }
}

pub struct Proto<T>(PhantomData<T>);

impl<T: Message> Encoder for Proto<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(out).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<T: Message + Default> Decoder for Proto<T> {
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
