//! Messages of Thrift's binary protocol as they come in, of osquery's answers and of its calls.
//!
//! Unlike what thrift itself offers there is a bound on what is taken in, and text that is no UTF-8
//! is read, too: one path in Latin-1 must not block a feed. What the messages mean is up to
//! `manager` and `server`.

use std::io::{BufRead, BufReader, Read};

use thrift::protocol::{
    TBinaryInputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier,
    TMessageIdentifier, TMessageType, TType,
};

use super::manager::{ManagerError, Row};

/// Nothing that osquery sends nests deeper.
const DEEPEST: u8 = 16;

/// A stream of messages.
pub(super) struct Incoming<S> {
    stream: BufReader<S>,
    /// Bytes that the message may still have.
    left: u64,
    largest: u64,
}

impl<S: Read> Incoming<S> {
    /// Of messages of at most `largest` bytes each.
    pub(super) fn new(stream: S, largest: u64) -> Incoming<S> {
        Incoming { stream: BufReader::new(stream), left: 0, largest }
    }

    /// The stream itself, to write to.
    pub(super) fn get_mut(&mut self) -> &mut S {
        self.stream.get_mut()
    }

    /// Whether another message begins, or the other side has closed the stream.
    pub(super) fn has_more(&mut self) -> Result<bool, ManagerError> {
        Ok(!self.stream.fill_buf()?.is_empty())
    }

    /// The message's beginning; its name is read as text like any other.
    pub(super) fn read_message(&mut self) -> Result<TMessageIdentifier, ManagerError> {
        const VERSION_1: u32 = 0x8001_0000;
        self.left = self.largest;
        let header = self.read_i32()? as u32;
        if header & 0xffff_0000 != VERSION_1 {
            return Err(ManagerError::Protocol("it is not of Thrift's binary protocol".to_owned()));
        }
        let message_type = TMessageType::try_from((header & 0xff) as u8)?;
        let name = self.read_text()?;
        Ok(TMessageIdentifier::new(name, message_type, self.read_i32()?))
    }

    /// A struct, field by field; `read_field` has to take the value.
    pub(super) fn read_struct(
        &mut self,
        mut read_field: impl FnMut(&mut Self, &TFieldIdentifier) -> Result<(), ManagerError>,
    ) -> Result<(), ManagerError> {
        loop {
            let field = self.take(3, |input| input.read_field_begin())?;
            if field.field_type == TType::Stop {
                return Ok(());
            }
            read_field(self, &field)?;
        }
    }

    /// An i32.
    pub(super) fn read_i32(&mut self) -> Result<i32, ManagerError> {
        self.take(4, |input| input.read_i32())
    }

    /// An i64.
    pub(super) fn read_i64(&mut self) -> Result<i64, ManagerError> {
        self.take(8, |input| input.read_i64())
    }

    /// A list's beginning.
    pub(super) fn read_list(&mut self) -> Result<TListIdentifier, ManagerError> {
        self.take(5, |input| input.read_list_begin())
    }

    /// A map's beginning.
    pub(super) fn read_map(&mut self) -> Result<TMapIdentifier, ManagerError> {
        self.take(6, |input| input.read_map_begin())
    }

    /// A text; what is no UTF-8 in it is replaced.
    pub(super) fn read_text(&mut self) -> Result<String, ManagerError> {
        let length = self.read_i32()?;
        let length = u64::try_from(length)
            .map_err(|_| ManagerError::Protocol("a text has a negative length".to_owned()))?;
        self.spend(length)?;
        let mut bytes = Vec::new();
        (&mut self.stream).take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// A map of texts, into `texts`.
    pub(super) fn read_texts(&mut self, texts: &mut Row) -> Result<(), ManagerError> {
        for _ in 0..self.read_map()?.size {
            let key = self.read_text()?;
            texts.insert(key, self.read_text()?);
        }
        Ok(())
    }

    /// Passes over a value that is of no interest.
    pub(super) fn skip(&mut self, field_type: TType, depth: u8) -> Result<(), ManagerError> {
        if depth > DEEPEST {
            return Err(ManagerError::Protocol("it nests too deeply".to_owned()));
        }
        match field_type {
            TType::Bool | TType::I08 => self.take(1, |input| input.read_byte()).map(drop),
            TType::I16 => self.take(2, |input| input.read_i16()).map(drop),
            TType::I32 => self.read_i32().map(drop),
            TType::I64 | TType::Double => self.read_i64().map(drop),
            TType::String | TType::Utf7 => self.read_text().map(drop),
            TType::Struct => {
                self.read_struct(|manager, field| manager.skip(field.field_type, depth + 1))
            }
            TType::List | TType::Set => {
                let list = self.read_list()?;
                (0..list.size).try_for_each(|_| self.skip(list.element_type, depth + 1))
            }
            TType::Map => {
                let map = self.read_map()?;
                let (Some(key), Some(value)) = (map.key_type, map.value_type) else {
                    return Ok(());
                };
                (0..map.size).try_for_each(|_| {
                    self.skip(key, depth + 1)?;
                    self.skip(value, depth + 1)
                })
            }
            other => Err(ManagerError::Protocol(format!("it holds a value of type {other}"))),
        }
    }

    /// Reads a value of at most `bytes` with thrift's own protocol.
    fn take<T>(
        &mut self,
        bytes: u64,
        read: impl FnOnce(&mut TBinaryInputProtocol<&mut BufReader<S>>) -> thrift::Result<T>,
    ) -> Result<T, ManagerError> {
        self.spend(bytes)?;
        Ok(read(&mut TBinaryInputProtocol::new(&mut self.stream, true))?)
    }

    fn spend(&mut self, bytes: u64) -> Result<(), ManagerError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| {
            ManagerError::Protocol(format!("it is larger than {} MiB", self.largest >> 20))
        })?;
        Ok(())
    }
}
