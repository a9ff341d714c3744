//! Editing protobuf fields by hand, as an attacker would.

use crate::wire::varint;

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

/// Splits a protobuf message without groups into its fields.
pub(crate) fn parse(mut message: &[u8]) -> Vec<(u64, Value)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)),
            2 => {
                let length = usize::try_from(varint(&mut message)).unwrap();
                let (value, rest) = message.split_at(length);
                message = rest;
                Value::Bytes(value.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

/// Puts fields together.
pub(crate) fn build(fields: &[(u64, Value)]) -> Vec<u8> {
    let mut message = Vec::new();
    for (number, value) in fields {
        match value {
            Value::Number(value) => {
                put_varint(&mut message, number << 3);
                put_varint(&mut message, *value);
            }
            Value::Bytes(value) => {
                put_varint(&mut message, number << 3 | 2);
                put_varint(&mut message, value.len() as u64);
                message.extend_from_slice(value);
            }
        }
    }
    message
}

/// Edits the fields behind a version byte.
pub(crate) fn edit(message: &[u8], change: impl FnOnce(&mut Vec<(u64, Value)>)) -> Vec<u8> {
    let mut fields = parse(&message[1..]);
    change(&mut fields);
    [&message[..1], &build(&fields)].concat()
}

/// Replaces the value of field `number`.
pub(crate) fn set(message: &[u8], number: u64, value: Value) -> Vec<u8> {
    edit(message, |fields| {
        let field = fields.iter_mut().find(|(present, _)| *present == number).unwrap();
        field.1 = value;
    })
}

/// Removes field `number`.
pub(crate) fn remove(message: &[u8], number: u64) -> Vec<u8> {
    edit(message, |fields| fields.retain(|(present, _)| *present != number))
}

/// Changes the bytes of field `number`.
pub(crate) fn alter(message: &[u8], number: u64, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    edit(message, |fields| {
        let field = fields.iter_mut().find(|(present, _)| *present == number).unwrap();
        let Value::Bytes(bytes) = &mut field.1 else { panic!("a bytes field") };
        change(bytes);
    })
}

/// Adds raw bytes behind all fields.
pub(crate) fn append(message: &[u8], raw: &[u8]) -> Vec<u8> {
    [message, raw].concat()
}

pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7F).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
}
