//! A client for osquery's extension manager, and for any extension: few calls, over Thrift's
//! binary protocol (osquery/extensions/thrift/osquery.thrift).
//!
//! Rows are handed on one by one, and answers are bounded (see `incoming`). Time-outs are the
//! stream's.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use thrift::protocol::{
    TBinaryOutputProtocol, TFieldIdentifier, TListIdentifier, TMapIdentifier, TMessageIdentifier,
    TMessageType, TOutputProtocol, TType,
};

use super::incoming::Incoming;

/// A row of text by column.
pub type Row = BTreeMap<String, String>;

/// A response may hold so much.
const LARGEST_RESPONSE: u64 = 256 << 20;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// The stream failed, or its time ran out.
    #[error("osquery does not answer: {0}")]
    Io(#[from] std::io::Error),
    /// What came is no message of the protocol.
    #[error("what osquery sends cannot be understood: {0}")]
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

/// What an extension tells of itself when it registers; `osquery_extensions` shows it.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionInfo<'a> {
    /// No other extension may have it.
    pub name: &'a str,
    /// Its own version.
    pub version: &'a str,
    /// The version of osquery whose extension interface it speaks.
    pub sdk_version: &'a str,
    /// The first version of osquery that it works in.
    pub min_sdk_version: &'a str,
}

/// A table's name, and its columns as osquery describes them.
pub type TableRoutes<'a> = (&'a str, Vec<Row>);

/// A connection to osquery's socket, or to an extension's.
pub struct Manager<S> {
    incoming: Incoming<S>,
    calls: i32,
}

impl<S: Read + Write> Manager<S> {
    /// Over a connected stream, whose time-outs are set.
    pub fn new(stream: S) -> Manager<S> {
        Manager { incoming: Incoming::new(stream, LARGEST_RESPONSE), calls: 0 }
    }

    /// Whether the other side answers.
    pub fn ping(&mut self) -> Result<(), ManagerError> {
        self.call("ping", |_| Ok(()))?;
        self.read_status().map(drop)
    }

    /// The extensions that are registered: their uuid and name.
    pub fn extensions(&mut self) -> Result<BTreeMap<i64, String>, ManagerError> {
        self.call("extensions", |_| Ok(()))?;
        let mut extensions = BTreeMap::new();
        self.read_result(|incoming, field| {
            if field.field_type != TType::Map {
                return incoming.skip(field.field_type, 0);
            }
            for _ in 0..incoming.read_map()?.size {
                let uuid = incoming.read_i64()?;
                let mut name = String::new();
                incoming.read_struct(|incoming, field| {
                    if field.id == Some(1) && field.field_type == TType::String {
                        name = incoming.read_text()?;
                        return Ok(());
                    }
                    incoming.skip(field.field_type, 0)
                })?;
                extensions.insert(uuid, name);
            }
            Ok(())
        })?;
        Ok(extensions)
    }

    /// Registers an extension with its tables; gives the uuid under which it is listed, and after
    /// which its socket has to be called.
    pub fn register(
        &mut self,
        info: ExtensionInfo<'_>,
        tables: &[TableRoutes<'_>],
    ) -> Result<i64, ManagerError> {
        self.call("registerExtension", |output| {
            output.write_field_begin(&TFieldIdentifier::new("info", TType::Struct, 1))?;
            for (id, text) in
                (1..).zip([info.name, info.version, info.sdk_version, info.min_sdk_version])
            {
                write_text_field(output, id, text)?;
            }
            output.write_field_stop()?;
            // The registry: kinds of plugins, the plugins of a kind, the columns of a table.
            output.write_field_begin(&TFieldIdentifier::new("registry", TType::Map, 2))?;
            output.write_map_begin(&TMapIdentifier::new(TType::String, TType::Map, 1))?;
            output.write_string("table")?;
            let size = length(tables.len());
            output.write_map_begin(&TMapIdentifier::new(TType::String, TType::List, size))?;
            for (name, columns) in tables {
                output.write_string(name)?;
                let size = length(columns.len());
                output.write_list_begin(&TListIdentifier::new(TType::Map, size))?;
                for column in columns {
                    let column = column.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                    write_texts(output, column)?;
                }
            }
            Ok(())
        })?;
        self.read_status()
    }

    /// Takes an extension off osquery's list.
    pub fn deregister(&mut self, uuid: i64) -> Result<(), ManagerError> {
        self.call("deregisterExtension", |output| {
            output.write_field_begin(&TFieldIdentifier::new("uuid", TType::I64, 1))?;
            output.write_i64(uuid)
        })?;
        self.read_status().map(drop)
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
            write_texts(output, request.iter().copied())
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
        let mut message = Vec::new();
        let mut output = TBinaryOutputProtocol::new(&mut message, true);
        let identifier = TMessageIdentifier::new(name, TMessageType::Call, self.calls);
        output.write_message_begin(&identifier)?;
        arguments(&mut output)?;
        output.write_field_stop()?;
        self.incoming.get_mut().write_all(&message)?;
        self.incoming.get_mut().flush()?;
        Ok(())
    }

    /// Reads a reply whose result is an ExtensionStatus; gives its uuid.
    fn read_status(&mut self) -> Result<i64, ManagerError> {
        let mut status = Status::default();
        self.read_result(|incoming, field| match field.field_type {
            TType::Struct => {
                status = Status::read(incoming)?;
                Ok(())
            }
            other => incoming.skip(other, 0),
        })?;
        status.check()
    }

    /// Reads a reply whose result is an ExtensionResponse.
    fn read_response(&mut self, mut on_row: impl FnMut(&Row)) -> Result<(), ManagerError> {
        let mut status = Status::default();
        self.read_result(|incoming, field| {
            if field.field_type != TType::Struct {
                return incoming.skip(field.field_type, 0);
            }
            incoming.read_struct(|incoming, field| match (field.id, field.field_type) {
                (Some(1), TType::Struct) => {
                    status = Status::read(incoming)?;
                    Ok(())
                }
                (Some(2), TType::List) => {
                    let mut row = Row::new();
                    for _ in 0..incoming.read_list()?.size {
                        row.clear();
                        incoming.read_texts(&mut row)?;
                        on_row(&row);
                    }
                    Ok(())
                }
                (_, field_type) => incoming.skip(field_type, 0),
            })
        })?;
        status.check().map(drop)
    }

    /// Reads the reply to the last call; `read_success` takes the value of its result.
    fn read_result(
        &mut self,
        mut read_success: impl FnMut(&mut Incoming<S>, &TFieldIdentifier) -> Result<(), ManagerError>,
    ) -> Result<(), ManagerError> {
        let message = self.incoming.read_message()?;
        if message.message_type == TMessageType::Exception {
            let mut problem = String::new();
            self.incoming.read_struct(|incoming, field| match (field.id, field.field_type) {
                (Some(1), TType::String) => {
                    problem = incoming.read_text()?;
                    Ok(())
                }
                (_, field_type) => incoming.skip(field_type, 0),
            })?;
            return Err(ManagerError::Protocol(problem));
        }
        if message.sequence_number != self.calls {
            return Err(ManagerError::Protocol("it is the answer to another call".to_owned()));
        }
        let mut has_success = false;
        self.incoming.read_struct(|incoming, field| {
            if field.id == Some(0) {
                has_success = true;
                read_success(incoming, field)
            } else {
                incoming.skip(field.field_type, 0)
            }
        })?;
        match has_success {
            true => Ok(()),
            false => Err(ManagerError::Refused("no result".to_owned())),
        }
    }
}

/// An ExtensionStatus.
#[derive(Default)]
struct Status {
    code: i32,
    message: String,
    uuid: i64,
}

impl Status {
    fn read<S: Read>(incoming: &mut Incoming<S>) -> Result<Status, ManagerError> {
        let mut status = Status::default();
        incoming.read_struct(|incoming, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::I32) => status.code = incoming.read_i32()?,
                (Some(2), TType::String) => status.message = incoming.read_text()?,
                (Some(3), TType::I64) => status.uuid = incoming.read_i64()?,
                (_, field_type) => incoming.skip(field_type, 0)?,
            }
            Ok(())
        })?;
        Ok(status)
    }

    /// The uuid, unless the status is that of a failure.
    fn check(self) -> Result<i64, ManagerError> {
        match self.code {
            0 => Ok(self.uuid),
            code if self.message.is_empty() => Err(ManagerError::Refused(format!("error {code}"))),
            _ => Err(ManagerError::Refused(self.message)),
        }
    }
}

/// A field that holds a text.
pub(super) fn write_text_field(
    output: &mut dyn TOutputProtocol,
    id: i16,
    text: &str,
) -> thrift::Result<()> {
    output.write_field_begin(&TFieldIdentifier::new("", TType::String, id))?;
    output.write_string(text)
}

/// A map of texts.
fn write_texts<'a>(
    output: &mut dyn TOutputProtocol,
    texts: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
) -> thrift::Result<()> {
    let size = length(texts.len());
    output.write_map_begin(&TMapIdentifier::new(TType::String, TType::String, size))?;
    for (key, value) in texts {
        output.write_string(key)?;
        output.write_string(value)?;
    }
    Ok(())
}

/// A length as the protocol has it. Nothing that we send is so long that it would not fit.
pub(super) fn length(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
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
