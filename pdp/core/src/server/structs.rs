//! `google.protobuf.Struct` read straight into JSON members and written straight from them.

use prost::DecodeError;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use serde_json::{Map, Value};

use crate::strict_json::number;

/// Why a value is none, and the names on the way to it, innermost first. A message with a fault is refused
/// when the request is read: protobuf itself cannot name the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    names: Vec<String>,
    pub message: &'static str,
}

impl Fault {
    /// The path of the value, beneath the message that holds the struct.
    pub fn path(&self, parent: &str) -> String {
        let mut path = parent.to_owned();
        for name in self.names.iter().rev() {
            if !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        }
        path
    }
}

/// In place of `google.protobuf.Struct`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Struct {
    pub members: Map<String, Value>,
    /// Levels of objects and arrays, this one included; 0: no member was read.
    pub depth: usize,
    pub fault: Option<Fault>,
}

impl Struct {
    pub fn of(members: &Map<String, Value>) -> Self {
        Self { members: members.clone(), depth: 0, fault: None }
    }
}

impl Message for Struct {
    fn encode_raw(&self, out: &mut impl BufMut) {
        encode_members(&self.members, out);
    }

    fn encoded_len(&self) -> usize {
        members_len(&self.members)
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != 1 {
            return encoding::skip_field(wire_type, tag, buf, context);
        }
        let mut entry = Entry::default();
        encoding::message::merge(wire_type, &mut entry, buf, context)?;
        let Entry { name, value } = entry;
        let value = self.take(value, || name.clone());
        self.members.insert(name, value);
        Ok(())
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Struct {
    fn take(&mut self, read: ReadValue, name: impl FnOnce() -> String) -> Value {
        self.depth = self.depth.max(read.depth.saturating_add(1));
        let fault = if read.value.is_none() && read.fault.is_none() {
            Some(Fault { names: Vec::new(), message: "has no value" })
        } else {
            read.fault
        };
        if let (None, Some(mut fault)) = (&self.fault, fault) {
            fault.names.push(name());
            self.fault = Some(fault);
        }
        read.value.unwrap_or_default()
    }
}

/// One member of a struct on the wire.
#[derive(Debug, Default)]
struct Entry {
    name: String,
    value: ReadValue,
}

/// `google.protobuf.Value` while it is read.
#[derive(Debug, Default)]
struct ReadValue {
    value: Option<Value>,
    depth: usize,
    fault: Option<Fault>,
}

/// `google.protobuf.ListValue` while it is read: a struct whose names are places.
#[derive(Debug, Default)]
struct ReadList {
    items: Vec<Value>,
    inner: Struct,
}

/// A message that is only ever read.
macro_rules! read_only {
    ($message:ty, $self:ident, $tag:ident, $wire_type:ident, $buf:ident, $context:ident, $merge:block) => {
        impl Message for $message {
            fn encode_raw(&self, _: &mut impl BufMut) {}
            fn encoded_len(&self) -> usize {
                0
            }
            fn merge_field(
                &mut $self,
                $tag: u32,
                $wire_type: WireType,
                $buf: &mut impl Buf,
                $context: DecodeContext,
            ) -> Result<(), DecodeError> $merge
            fn clear(&mut self) {
                *self = Self::default();
            }
        }
    };
}

read_only!(Entry, self, tag, wire_type, buf, context, {
    match tag {
        1 => encoding::string::merge(wire_type, &mut self.name, buf, context),
        2 => encoding::message::merge(wire_type, &mut self.value, buf, context),
        _ => encoding::skip_field(wire_type, tag, buf, context),
    }
});

read_only!(ReadList, self, tag, wire_type, buf, context, {
    if tag != 1 {
        return encoding::skip_field(wire_type, tag, buf, context);
    }
    let mut value = ReadValue::default();
    encoding::message::merge(wire_type, &mut value, buf, context)?;
    let place = self.items.len();
    let value = self.inner.take(value, || format!("[{place}]"));
    self.items.push(value);
    Ok(())
});

read_only!(ReadValue, self, tag, wire_type, buf, context, {
    *self = match tag {
        1 => {
            let mut null = 0i32;
            encoding::int32::merge(wire_type, &mut null, buf, context)?;
            Self { value: Some(Value::Null), ..Self::default() }
        }
        2 => {
            let mut read = 0f64;
            encoding::double::merge(wire_type, &mut read, buf, context)?;
            let fault = Fault { names: Vec::new(), message: "must be a finite number" };
            match number(read) {
                Some(number) => Self { value: Some(Value::Number(number)), ..Self::default() },
                None => Self { fault: Some(fault), ..Self::default() },
            }
        }
        3 => {
            let mut bytes = Vec::new();
            encoding::bytes::merge(wire_type, &mut bytes, buf, context)?;
            let fault = Fault { names: Vec::new(), message: "is not valid UTF-8" };
            match String::from_utf8(bytes) {
                Ok(text) => Self { value: Some(Value::String(text)), ..Self::default() },
                Err(_) => Self { fault: Some(fault), ..Self::default() },
            }
        }
        4 => {
            let mut flag = false;
            encoding::bool::merge(wire_type, &mut flag, buf, context)?;
            Self { value: Some(Value::Bool(flag)), ..Self::default() }
        }
        5 => {
            let mut inner = Struct::default();
            encoding::message::merge(wire_type, &mut inner, buf, context)?;
            Self { value: Some(Value::Object(inner.members)), depth: inner.depth.max(1), fault: inner.fault }
        }
        6 => {
            let mut list = ReadList::default();
            encoding::message::merge(wire_type, &mut list, buf, context)?;
            let ReadList { items, inner } = list;
            Self { value: Some(Value::Array(items)), depth: inner.depth.max(1), fault: inner.fault }
        }
        _ => return encoding::skip_field(wire_type, tag, buf, context),
    };
    Ok(())
});

fn encode_members(members: &Map<String, Value>, out: &mut impl BufMut) {
    for (name, value) in members {
        encoding::encode_key(1, WireType::LengthDelimited, out);
        encoding::encode_varint(wide(entry_len(name, value)), out);
        // As every map entry: a key that is empty is left out.
        if !name.is_empty() {
            encoding::string::encode(1, name, out);
        }
        encoding::encode_key(2, WireType::LengthDelimited, out);
        encoding::encode_varint(wide(value_len(value)), out);
        encode_value(value, out);
    }
}

fn encode_value(value: &Value, out: &mut impl BufMut) {
    match value {
        Value::Null => encoding::int32::encode(1, &0, out),
        // INVARIANT: numbers in a result document were read by strict_json and are finite.
        Value::Number(value) => encoding::double::encode(2, &value.as_f64().unwrap_or_default(), out),
        Value::String(value) => encoding::string::encode(3, value, out),
        Value::Bool(value) => encoding::bool::encode(4, value, out),
        Value::Object(members) => {
            encoding::encode_key(5, WireType::LengthDelimited, out);
            encoding::encode_varint(wide(members_len(members)), out);
            encode_members(members, out);
        }
        Value::Array(items) => {
            encoding::encode_key(6, WireType::LengthDelimited, out);
            encoding::encode_varint(wide(items_len(items)), out);
            for item in items {
                encoding::encode_key(1, WireType::LengthDelimited, out);
                encoding::encode_varint(wide(value_len(item)), out);
                encode_value(item, out);
            }
        }
    }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A field of tag 1 to 15: one byte of key, the length, the content.
fn delimited(length: usize) -> usize {
    encoding::encoded_len_varint(wide(length)).saturating_add(length).saturating_add(1)
}

fn members_len(members: &Map<String, Value>) -> usize {
    members.iter().map(|(name, value)| delimited(entry_len(name, value))).sum()
}

fn items_len(items: &[Value]) -> usize {
    items.iter().map(|item| delimited(value_len(item))).sum()
}

fn entry_len(name: &str, value: &Value) -> usize {
    let key = if name.is_empty() { 0 } else { delimited(name.len()) };
    key.saturating_add(delimited(value_len(value)))
}

fn value_len(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Number(_) => 9,
        Value::String(value) => delimited(value.len()),
        Value::Object(members) => delimited(members_len(members)),
        Value::Array(items) => delimited(items_len(items)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
    use proptest::{collection, prop_oneof};
    use prost::Message;
    use prost_types::value::Kind;
    use serde_json::{Map, Value, json};

    use super::Struct;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(|number| json!(number)),
            (-1000i32..1000).prop_map(|number| json!(f64::from(number) + 0.5)),
            ".{0,8}".prop_map(Value::String),
            proptest::strategy::Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn official(value: &Value) -> prost_types::Value {
        let kind = match value {
            Value::Null => Kind::NullValue(0),
            Value::Bool(value) => Kind::BoolValue(*value),
            Value::Number(value) => Kind::NumberValue(value.as_f64().expect("a double")),
            Value::String(value) => Kind::StringValue(value.clone()),
            Value::Array(items) => {
                Kind::ListValue(prost_types::ListValue { values: items.iter().map(official).collect() })
            }
            Value::Object(members) => Kind::StructValue(official_struct(members)),
        };
        prost_types::Value { kind: Some(kind) }
    }

    fn official_struct(members: &Map<String, Value>) -> prost_types::Struct {
        prost_types::Struct {
            fields: members.iter().map(|(name, value)| (name.clone(), official(value))).collect(),
        }
    }

    proptest! {
        /// On the wire it is the well-known type, to the byte, both ways.
        #[test]
        fn is_the_well_known_type(members in collection::btree_map(".{0,4}", values(), 0..5)) {
            let members: Map<String, Value> = members.into_iter().collect();
            let bytes = official_struct(&members).encode_to_vec();
            prop_assert_eq!(Struct::of(&members).encode_to_vec(), bytes.clone());
            let read = Struct::decode(bytes.as_slice()).expect("a struct");
            prop_assert_eq!(read.members, members);
            prop_assert_eq!(read.fault, None);
        }

        /// Whatever bytes come: an error or a struct, never a panic.
        #[test]
        fn survives_any_bytes(bytes in collection::vec(any::<u8>(), 0..200)) {
            let _ = Struct::decode(bytes.as_slice());
        }
    }

    #[test]
    fn names_the_place_of_a_value_that_is_none() {
        let bad = |kind: Option<Kind>| {
            let list = prost_types::ListValue { values: vec![official(&json!(1)), prost_types::Value { kind }] };
            let value = prost_types::Value { kind: Some(Kind::ListValue(list)) };
            let bytes = prost_types::Struct { fields: [("a".to_owned(), value)].into() }.encode_to_vec();
            let fault = Struct::decode(bytes.as_slice()).expect("a struct").fault.expect("a fault");
            (fault.path("p"), fault.message)
        };
        assert_eq!(bad(Some(Kind::NumberValue(f64::NAN))), ("p.a[1]".to_owned(), "must be a finite number"));
        assert_eq!(bad(Some(Kind::NumberValue(f64::INFINITY))), ("p.a[1]".to_owned(), "must be a finite number"));
        assert_eq!(bad(None), ("p.a[1]".to_owned(), "has no value"));
        let text = b"\x0a\x08\x0a\x01a\x12\x03\x1a\x01\xff";
        let fault = Struct::decode(text.as_slice()).expect("a struct").fault.expect("a fault");
        assert_eq!((fault.path("p"), fault.message), ("p.a".to_owned(), "is not valid UTF-8"));
    }
}
