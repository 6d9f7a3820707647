//! A client for osquery's extension manager, and for any extension: few calls, over Thrift's
//! binary protocol (osquery/extensions/thrift/osquery.thrift).
//!
//! Unlike a generated client it has a bound on what it takes in, streams rows, and reads text that
//! is no UTF-8: one path in Latin-1 must not block a feed. Time-outs are the stream's.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};

use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier,
    TMapIdentifier, TMessageIdentifier, TMessageType, TOutputProtocol, TType,
};

/// A row of text by column.
pub type Row = BTreeMap<String, String>;

/// A response may hold so much.
const LARGEST_RESPONSE: u64 = 256 << 20;
/// Nothing that osquery sends nests deeper.
const DEEPEST: u8 = 16;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// The stream failed, or its time ran out.
    #[error("osquery does not answer: {0}")]
    Io(#[from] std::io::Error),
    /// What came back is no answer.
    #[error("osquery's answer cannot be understood: {0}")]
    Protocol(String),
    /// osquery says no.
    #[error("osquery says: {0}")]
    Refused(String),
}

impl From<thrift::Error> for ManagerError {
    fn from(error: thrift::Error) -> Self {
        match error {
            thrift::Error::Transport(error) => {
                ManagerError::Io(std::io::Error::other(error.to_string()))
            }
            error => ManagerError::Protocol(error.to_string()),
        }
    }
}

/// A connection to osquery's socket, or to an extension's.
pub struct Manager<S> {
    stream: BufReader<S>,
    calls: i32,
    /// Bytes that the response may still have.
    left: u64,
}

impl<S: Read + Write> Manager<S> {
    /// Over a connected stream, whose time-outs are set.
    pub fn new(stream: S) -> Manager<S> {
        Manager { stream: BufReader::new(stream), calls: 0, left: 0 }
    }

    /// Whether the other side answers.
    pub fn ping(&mut self) -> Result<(), ManagerError> {
        self.call("ping", |_| Ok(()))?;
        self.read_response(|_| {})
    }

    /// The extensions that are registered: their uuid and name.
    pub fn extensions(&mut self) -> Result<BTreeMap<i64, String>, ManagerError> {
        self.call("extensions", |_| Ok(()))?;
        let mut extensions = BTreeMap::new();
        self.read_result(|manager, field| {
            if field.field_type != TType::Map {
                return manager.skip(field.field_type, 0);
            }
            for _ in 0..manager.read_map()?.size {
                let uuid = manager.read_i64()?;
                let mut name = String::new();
                manager.read_struct(|manager, field| {
                    if field.id == Some(1) && field.field_type == TType::String {
                        name = manager.read_text()?;
                        return Ok(());
                    }
                    manager.skip(field.field_type, 0)
                })?;
                extensions.insert(uuid, name);
            }
            Ok(())
        })?;
        Ok(extensions)
    }

    /// Takes an extension off osquery's list.
    pub fn deregister(&mut self, uuid: i64) -> Result<(), ManagerError> {
        self.call("deregisterExtension", |output| {
            output.write_field_begin(&TFieldIdentifier::new("uuid", TType::I64, 1))?;
            output.write_i64(uuid)
        })?;
        self.read_response(|_| {})
    }

    /// Runs a query in osquery, handing on its rows one by one.
    pub fn query(&mut self, sql: &str, on_row: impl FnMut(&Row)) -> Result<(), ManagerError> {
        self.call("query", |output| write_text_field(output, 1, sql))?;
        self.read_response(on_row)
    }

    /// Calls a plugin, as osquery does.
    pub fn call_plugin(
        &mut self,
        registry: &str,
        item: &str,
        request: &[(&str, &str)],
        on_row: impl FnMut(&Row),
    ) -> Result<(), ManagerError> {
        self.call("call", |output| {
            write_text_field(output, 1, registry)?;
            write_text_field(output, 2, item)?;
            output.write_field_begin(&TFieldIdentifier::new("request", TType::Map, 3))?;
            let size = i32::try_from(request.len()).unwrap_or(0);
            output.write_map_begin(&TMapIdentifier::new(TType::String, TType::String, size))?;
            for (key, value) in request {
                output.write_string(key)?;
                output.write_string(value)?;
            }
            output.write_map_end()
        })?;
        self.read_response(on_row)
    }

    /// Sends a call.
    fn call(
        &mut self,
        name: &str,
        arguments: impl FnOnce(&mut dyn TOutputProtocol) -> thrift::Result<()>,
    ) -> Result<(), ManagerError> {
        self.calls = self.calls.wrapping_add(1);
        self.left = LARGEST_RESPONSE;
        let mut message = Vec::new();
        let mut output = TBinaryOutputProtocol::new(&mut message, true);
        let identifier = TMessageIdentifier::new(name, TMessageType::Call, self.calls);
        output.write_message_begin(&identifier)?;
        arguments(&mut output)?;
        output.write_field_stop()?;
        self.stream.get_mut().write_all(&message)?;
        self.stream.get_mut().flush()?;
        Ok(())
    }

    /// Reads a reply whose result is an ExtensionResponse or an ExtensionStatus.
    fn read_response(&mut self, mut on_row: impl FnMut(&Row)) -> Result<(), ManagerError> {
        let mut refused = None;
        self.read_result(|manager, field| {
            if field.field_type != TType::Struct {
                return manager.skip(field.field_type, 0);
            }
            manager.read_struct(|manager, field| match (field.id, field.field_type) {
                // Of a response: its status. Of a status: its code.
                (Some(1), TType::Struct) => {
                    refused = manager.read_status()?;
                    Ok(())
                }
                (Some(2), TType::List) => manager.read_rows(&mut on_row),
                (Some(1), TType::I32) => {
                    let code = manager.read_i32()?;
                    refused = (code != 0).then(|| format!("error {code}"));
                    Ok(())
                }
                (Some(2), TType::String) => {
                    let message = manager.read_text()?;
                    if let Some(refused) = &mut refused {
                        *refused = message;
                    }
                    Ok(())
                }
                (_, field_type) => manager.skip(field_type, 0),
            })
        })?;
        refused.map_or(Ok(()), |message| Err(ManagerError::Refused(message)))
    }

    /// The message of a status that is none of success.
    fn read_status(&mut self) -> Result<Option<String>, ManagerError> {
        let (mut code, mut message) = (0, String::new());
        self.read_struct(|manager, field| match (field.id, field.field_type) {
            (Some(1), TType::I32) => {
                code = manager.read_i32()?;
                Ok(())
            }
            (Some(2), TType::String) => {
                message = manager.read_text()?;
                Ok(())
            }
            (_, field_type) => manager.skip(field_type, 0),
        })?;
        Ok((code != 0).then_some(message))
    }

    fn read_rows(&mut self, on_row: &mut impl FnMut(&Row)) -> Result<(), ManagerError> {
        let mut row = Row::new();
        for _ in 0..self.read_list()?.size {
            row.clear();
            for _ in 0..self.read_map()?.size {
                let name = self.read_text()?;
                let value = self.read_text()?;
                row.insert(name, value);
            }
            on_row(&row);
        }
        Ok(())
    }

    /// Reads the reply to the last call; `read_success` takes the value of its result.
    fn read_result(
        &mut self,
        mut read_success: impl FnMut(&mut Self, &TFieldIdentifier) -> Result<(), ManagerError>,
    ) -> Result<(), ManagerError> {
        let message = self.read_message()?;
        if message.message_type == TMessageType::Exception {
            let mut problem = String::new();
            self.read_struct(|manager, field| match (field.id, field.field_type) {
                (Some(1), TType::String) => {
                    problem = manager.read_text()?;
                    Ok(())
                }
                (_, field_type) => manager.skip(field_type, 0),
            })?;
            return Err(ManagerError::Protocol(problem));
        }
        if message.sequence_number != self.calls {
            return Err(ManagerError::Protocol("it is the answer to another call".to_owned()));
        }
        let mut has_success = false;
        self.read_struct(|manager, field| {
            if field.id == Some(0) {
                has_success = true;
                read_success(manager, field)
            } else {
                manager.skip(field.field_type, 0)
            }
        })?;
        match has_success {
            true => Ok(()),
            false => Err(ManagerError::Refused("no result".to_owned())),
        }
    }

    /// The message's beginning; its name is read as text like any other.
    fn read_message(&mut self) -> Result<TMessageIdentifier, ManagerError> {
        const VERSION_1: u32 = 0x8001_0000;
        let header = self.read_i32()? as u32;
        if header & 0xffff_0000 != VERSION_1 {
            return Err(ManagerError::Protocol("it is not of Thrift's binary protocol".to_owned()));
        }
        let message_type = TMessageType::try_from((header & 0xff) as u8)?;
        let name = self.read_text()?;
        Ok(TMessageIdentifier::new(name, message_type, self.read_i32()?))
    }

    fn read_struct(
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

    fn read_i32(&mut self) -> Result<i32, ManagerError> {
        self.take(4, |input| input.read_i32())
    }

    fn read_i64(&mut self) -> Result<i64, ManagerError> {
        self.take(8, |input| input.read_i64())
    }

    fn read_list(&mut self) -> Result<TListIdentifier, ManagerError> {
        self.take(5, |input| input.read_list_begin())
    }

    fn read_map(&mut self) -> Result<TMapIdentifier, ManagerError> {
        self.take(6, |input| input.read_map_begin())
    }

    fn read_text(&mut self) -> Result<String, ManagerError> {
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

    /// Passes over a value that is of no interest.
    fn skip(&mut self, field_type: TType, depth: u8) -> Result<(), ManagerError> {
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
            ManagerError::Protocol(format!("it is larger than {} MiB", LARGEST_RESPONSE >> 20))
        })?;
        Ok(())
    }
}

fn write_text_field(output: &mut dyn TOutputProtocol, id: i16, text: &str) -> thrift::Result<()> {
    output.write_field_begin(&TFieldIdentifier::new("", TType::String, id))?;
    output.write_string(text)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// A stream that answers with these bytes, whatever it is asked.
    struct Answering(Cursor<Vec<u8>>);

    impl Read for Answering {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Answering {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn manager(answer: Vec<u8>) -> Manager<Answering> {
        Manager::new(Answering(Cursor::new(answer)))
    }

    /// The reply to a first call of `query` with these rows of one column each.
    fn reply(code: i32, message: &str, values: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut output = TBinaryOutputProtocol::new(&mut bytes, true);
        let field = |kind, id| TFieldIdentifier::new("", kind, id);
        output
            .write_message_begin(&TMessageIdentifier::new("query", TMessageType::Reply, 1))
            .unwrap();
        output.write_field_begin(&field(TType::Struct, 0)).unwrap();
        output.write_field_begin(&field(TType::Struct, 1)).unwrap();
        output.write_field_begin(&field(TType::I32, 1)).unwrap();
        output.write_i32(code).unwrap();
        write_text_field(&mut output, 2, message).unwrap();
        output.write_field_begin(&field(TType::I64, 3)).unwrap();
        output.write_i64(7).unwrap();
        output.write_field_stop().unwrap();
        output.write_field_begin(&field(TType::List, 2)).unwrap();
        let rows = i32::try_from(values.len()).unwrap();
        output.write_list_begin(&TListIdentifier::new(TType::Map, rows)).unwrap();
        for value in values {
            output.write_map_begin(&TMapIdentifier::new(TType::String, TType::String, 1)).unwrap();
            output.write_string("path").unwrap();
            output.write_bytes(value).unwrap();
        }
        output.write_field_stop().unwrap();
        output.write_field_stop().unwrap();
        bytes
    }

    fn values(answer: Vec<u8>) -> Result<Vec<String>, ManagerError> {
        let mut values = Vec::new();
        manager(answer).query("SELECT 1", |row| values.extend(row.get("path").cloned()))?;
        Ok(values)
    }

    #[test]
    fn text_that_is_no_utf_8_does_not_block_the_rest() {
        let rows: [&[u8]; 3] = [b"/usr/bin/caf\xe9", "/usr/bin/café".as_bytes(), b""];
        let read = values(reply(0, "OK", &rows)).unwrap();
        assert_eq!(read, ["/usr/bin/caf\u{fffd}", "/usr/bin/café", ""]);
    }

    #[test]
    fn fifty_thousand_rows_are_handed_on_one_by_one() {
        let rows = vec![&b"/bin/a"[..]; 50_000];
        assert_eq!(values(reply(0, "OK", &rows)).unwrap().len(), 50_000);
    }

    #[test]
    fn a_refusal_has_osquerys_words() {
        let refused = values(reply(1, "no such table: x", &[])).unwrap_err();
        assert_eq!(refused.to_string(), "osquery says: no such table: x");
    }

    #[test]
    fn a_text_of_two_gigabytes_is_refused_and_not_waited_for() {
        let mut answer = reply(0, "OK", &[b"x"]);
        let length_at = answer.len() - 2 - 1 - 4;
        answer[length_at..length_at + 4].copy_from_slice(&i32::MAX.to_be_bytes());
        let error = values(answer).unwrap_err();
        assert!(matches!(error, ManagerError::Protocol(_)), "{error}");
    }

    proptest! {
        #[test]
        fn hostile_answers_are_errors(
            at in any::<prop::sample::Index>(), byte: u8, noise in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut answer = reply(0, "OK", &[b"/bin/a", b"/bin/b"]);
            let at = at.index(answer.len());
            answer[at] = byte;
            let _ = values(answer.clone());
            prop_assert!(values(answer[..at].to_vec()).is_err());
            prop_assert!(values(noise).is_err());
        }
    }
}
