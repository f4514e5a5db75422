//! The requests to send, encoded beforehand, and the order to send them in.

use std::cell::Cell;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Failure;
use crate::settings::{Protocol, Settings};

/// Request bodies in their order, over and over.
pub struct Bodies {
    bodies: Vec<Bytes>,
    order: Vec<u32>,
    next: Cell<usize>,
}

impl Bodies {
    /// Begins at the place in the order that the settings say.
    pub fn read(settings: &Settings) -> Result<Self, Failure> {
        let mut rest = Bytes::from(std::fs::read(&settings.bodies)?);
        let mut bodies = Vec::new();
        while let Some(length) = take_u32(&mut rest) {
            let length = usize::try_from(length)?;
            if rest.len() < length {
                return Err(format!("{} ends within a body", settings.bodies).into());
            }
            let body = rest.split_to(length);
            bodies.push(if settings.protocol == Protocol::Grpc { framed(&body)? } else { body });
        }
        let order: Vec<u32> = match &settings.order {
            None => (0..u32::try_from(bodies.len())?).collect(),
            Some(path) => {
                let mut rest = Bytes::from(std::fs::read(path)?);
                std::iter::from_fn(|| take_u32(&mut rest)).collect()
            }
        };
        let next = settings.start.checked_rem(order.len()).unwrap_or_default();
        Ok(Self { bodies, order, next: Cell::new(next) })
    }

    /// The next body to send; None when there is none at all or the order names one that is not there.
    pub fn next(&self) -> Option<Bytes> {
        let turn = self.next.get();
        self.next.set(if turn + 1 < self.order.len() { turn + 1 } else { 0 });
        let index = usize::try_from(*self.order.get(turn)?).ok()?;
        self.bodies.get(index).cloned()
    }
}

fn take_u32(bytes: &mut Bytes) -> Option<u32> {
    let number = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let _ = bytes.split_to(4);
    Some(number)
}

/// A gRPC message frame: not compressed, length, message.
fn framed(body: &Bytes) -> Result<Bytes, Failure> {
    let mut frame = BytesMut::with_capacity(body.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(body.len())?);
    frame.put_slice(body);
    Ok(frame.freeze())
}
