//! Protocol Buffers: writing messages into one buffer, and reading small ones within limits.
//!
//! A request has thousands of messages inside of each other. Types generated from the schema would be built first, each with memory
//! of its own, and written then. Here spans are written as they are.

/// The kinds of values on the wire.
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// Writes a message.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Gives memory back that an unusual message needed.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.0.shrink_to(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    /// A whole number, a boolean, or a value of an enum; also if it is 0.
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn float(&mut self, field: u32, value: f64) {
        self.fixed64(field, value.to_bits());
    }

    pub(crate) fn fixed32(&mut self, field: u32, value: u32) {
        self.key(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A text. An empty one is left out, as the default of its field.
    pub(crate) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(field, value.as_bytes());
        }
    }

    /// A message inside. `bytes` is how long it usually is: then its length fits without moving what was written.
    pub(crate) fn inside(&mut self, field: u32, bytes: usize, write: impl FnOnce(&mut Self)) {
        self.key(field, BYTES);
        let reserved = varint_len(bytes as u64);
        let at = self.0.len();
        self.0.resize(at + reserved, 0);
        write(self);
        let length = (self.0.len() - at - reserved) as u64;
        let needed = varint_len(length);
        if needed != reserved {
            let end = self.0.len();
            self.0.resize(end.max(end + needed - reserved), 0);
            self.0.copy_within(at + reserved..end, at + needed);
            self.0.truncate(end + needed - reserved);
        }
        let mut rest = length;
        for (place, byte) in (1..).zip(&mut self.0[at..at + needed]) {
            *byte = rest as u8 & 0x7f | if place < needed { 0x80 } else { 0 };
            rest >>= 7;
        }
    }
}

fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// A value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// One of a fixed length, which nothing here needs.
    Fixed,
}

/// Reads the fields of a message, in their order.
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                // The tenth byte has one bit.
                return (shift < 63 || *byte < 2).then_some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let length = usize::try_from(length).ok()?;
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next field and its value. `None` at the end; `Some(None)` if the message is malformed.
    pub(crate) fn next_field(&mut self) -> Option<Option<(u32, Value<'a>)>> {
        if self.0.is_empty() { None } else { Some(self.field()) }
    }

    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).ok().filter(|field| (1..1 << 29).contains(field))?;
        let value = match key as u32 & 7 {
            VARINT => Value::Number(self.varint()?),
            FIXED64 => self.take(8).map(|_| Value::Fixed)?,
            FIXED32 => self.take(4).map(|_| Value::Fixed)?,
            BYTES => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            _ => return None,
        };
        Some((field, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(bytes: &[u8]) -> Option<Vec<(u32, Value<'_>)>> {
        let mut fields = Fields::of(bytes);
        std::iter::from_fn(|| fields.next_field()).collect()
    }

    #[test]
    fn a_message_inside_has_its_length_whatever_was_reserved() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            for reserved in [0, 100, 1_000, 100_000] {
                let mut writer = Writer::default();
                writer.number(1, 300);
                let content = vec![7; length];
                writer.inside(2, reserved, |inside| {
                    if length > 0 {
                        inside.bytes(1, &content);
                    }
                });
                writer.fixed32(3, 9);
                let read = fields(writer.as_bytes()).unwrap();
                assert_eq!((read[0], read[2]), ((1, Value::Number(300)), (3, Value::Fixed)));
                let (2, Value::Bytes(inside)) = read[1] else { panic!("{read:?}") };
                let expected: &[u8] = &content;
                let expected = if length > 0 { vec![(1, Value::Bytes(expected))] } else { Vec::new() };
                assert_eq!(fields(inside).unwrap(), expected, "{length} {reserved}");
            }
        }
    }

    #[test]
    fn numbers_are_written_as_prost_writes_them() {
        #[derive(Clone, PartialEq, prost::Message)]
        struct Judge {
            #[prost(uint64, tag = "1")]
            number: u64,
            #[prost(fixed64, tag = "2")]
            fixed: u64,
            #[prost(string, tag = "3")]
            text: String,
            #[prost(fixed32, tag = "16")]
            short: u32,
        }
        for number in [1, 127, 128, 16_384, u64::from(u32::MAX), u64::MAX] {
            let judge = Judge { number, fixed: number, text: "t".repeat(200), short: 7 };
            let mut writer = Writer::default();
            writer.number(1, number);
            writer.fixed64(2, number);
            writer.text(3, &judge.text);
            writer.fixed32(16, 7);
            assert_eq!(writer.as_bytes(), prost::Message::encode_to_vec(&judge));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = fields(&bytes);
        }
    }

    #[test]
    fn malformed_messages_are_told() {
        for bytes in [
            &[0x08][..],
            &[0x00, 0x01],
            &[0x0a, 0x05, 0x01],
            &[0x0b],
            &[0x09, 1, 2],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert_eq!(fields(bytes), None, "{bytes:x?}");
        }
    }
}
