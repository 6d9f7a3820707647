//! The server that osquery calls: a socket of ours, and a thread for each connection to it, over
//! Thrift's binary protocol (osquery/extensions/thrift/osquery.thrift).
//!
//! What a table answers comes written already, and is sent as it stands. What a call means is up to
//! `extension`.

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use thrift::protocol::{
    TBinaryOutputProtocol, TFieldIdentifier, TListIdentifier, TMessageIdentifier, TMessageType,
    TOutputProtocol, TType,
};
use thrift::{ApplicationError, ApplicationErrorKind};

use super::incoming::Incoming;
use super::manager::{ManagerError, Row, length, write_text_field};
use super::wire::WrittenRows;

/// A call is short: a context of some constraints.
const LARGEST_CALL: u64 = 1 << 20;
/// osquery holds a connection for a ping and a call, each in a thread of its own; who opens more is
/// refused.
const MOST_CONNECTIONS: usize = 64;
/// A connection may be idle for so long, and so long may a part of an answer wait to be taken:
/// osquery gives up on a call after the same time.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a server does with the calls of a plugin.
pub(super) trait Plugins: Send + Sync + 'static {
    /// Answers a request to the plugin `item` of a registry, or says why not.
    fn call(&self, registry: &str, item: &str, request: &Row) -> Result<Arc<WrittenRows>, String>;
}

/// A server at work, until it is dropped or told to shut down.
pub(super) struct Server {
    socket: PathBuf,
    has_ended: Arc<AtomicBool>,
}

impl Server {
    /// Listens on `socket`; what lies there is stale.
    pub(super) fn start(socket: &Path, plugins: Arc<impl Plugins>) -> io::Result<Server> {
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        let has_ended = Arc::new(AtomicBool::new(false));
        let server = Server { socket: socket.to_owned(), has_ended: Arc::clone(&has_ended) };
        thread::Builder::new().spawn(move || accept(&listener, &plugins, &has_ended))?;
        Ok(server)
    }

    /// Whether osquery has told it to shut down.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }
}

impl Drop for Server {
    /// No new connection is taken; what is being answered is answered.
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Release);
        // It wakes the thread that waits for connections.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn accept(listener: &UnixListener, plugins: &Arc<impl Plugins>, has_ended: &Arc<AtomicBool>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if has_ended.load(Ordering::Acquire) {
            return;
        }
        let stream = match stream {
            Ok(stream) if open.load(Ordering::Relaxed) < MOST_CONNECTIONS => stream,
            Ok(_) => {
                log::debug!("a connection was refused: {MOST_CONNECTIONS} are open");
                continue;
            }
            Err(error) => {
                // Too many open files, most likely: others will be closed.
                log::debug!("cannot accept a connection: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let (plugins, has_ended) = (Arc::clone(plugins), Arc::clone(has_ended));
        open.fetch_add(1, Ordering::Relaxed);
        let closes = Closes(Arc::clone(&open));
        let begun = thread::Builder::new().spawn(move || {
            let _closes = closes;
            if let Err(error) = serve(stream, &*plugins, &has_ended) {
                log::debug!("a connection ended: {error}");
            }
        });
        if let Err(error) = begun {
            log::debug!("cannot serve a connection: {error}");
        }
    }
}

/// Counts a connection as closed when it is dropped.
struct Closes(Arc<AtomicUsize>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers the calls of one connection, one after the other, until it is closed.
fn serve(
    stream: UnixStream,
    plugins: &impl Plugins,
    has_ended: &AtomicBool,
) -> Result<(), ManagerError> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut incoming = Incoming::new(stream, LARGEST_CALL);
    while incoming.has_more()? {
        let call = incoming.read_message()?;
        let (mut registry, mut item, mut request) = (String::new(), String::new(), Row::new());
        incoming.read_struct(|incoming, field| {
            match (field.id, field.field_type) {
                (Some(1), TType::String) => registry = incoming.read_text()?,
                (Some(2), TType::String) => item = incoming.read_text()?,
                (Some(3), TType::Map) => incoming.read_texts(&mut request)?,
                (_, field_type) => incoming.skip(field_type, 0)?,
            }
            Ok(())
        })?;
        let reply = match call.name.as_str() {
            "ping" => Reply::Status,
            "call" => Reply::Rows(plugins.call(&registry, &item, &request)),
            "shutdown" => Reply::Nothing,
            _ => Reply::Unknown,
        };
        reply.write(&call, incoming.get_mut())?;
        if call.name == "shutdown" {
            has_ended.store(true, Ordering::Release);
        }
    }
    Ok(())
}

/// What a call is answered with.
enum Reply {
    /// That all is well.
    Status,
    Rows(Result<Arc<WrittenRows>, String>),
    Nothing,
    Unknown,
}

impl Reply {
    fn write(&self, call: &TMessageIdentifier, stream: &mut UnixStream) -> thrift::Result<()> {
        let mut head = Vec::new();
        let mut output = TBinaryOutputProtocol::new(&mut head, true);
        let message_type = match self {
            Reply::Unknown => TMessageType::Exception,
            _ => TMessageType::Reply,
        };
        let name = call.name.as_str();
        let identifier = TMessageIdentifier::new(name, message_type, call.sequence_number);
        output.write_message_begin(&identifier)?;
        let result = TFieldIdentifier::new("success", TType::Struct, 0);
        let mut rows: &[u8] = &[];
        match self {
            Reply::Nothing => {}
            Reply::Status => {
                output.write_field_begin(&result)?;
                write_status(&mut output, 0, "OK")?;
            }
            Reply::Rows(answer) => {
                output.write_field_begin(&result)?;
                output.write_field_begin(&TFieldIdentifier::new("status", TType::Struct, 1))?;
                let mut size = 0;
                match answer {
                    Ok(answer) => {
                        write_status(&mut output, 0, "OK")?;
                        size = length(answer.rows);
                        rows = &answer.bytes;
                    }
                    // It becomes the SQL error.
                    Err(message) => write_status(&mut output, 1, message)?,
                }
                output.write_field_begin(&TFieldIdentifier::new("response", TType::List, 2))?;
                output.write_list_begin(&TListIdentifier::new(TType::Map, size))?;
            }
            Reply::Unknown => {
                let message = format!("an extension has no {name}");
                let kind = ApplicationErrorKind::UnknownMethod;
                let error = ApplicationError { kind, message };
                thrift::Error::write_application_error_to_out_protocol(&error, &mut output)?;
            }
        }
        stream.write_all(&head)?;
        stream.write_all(rows)?;
        let stop = [TType::Stop as u8; 2];
        let stops = match self {
            Reply::Rows(_) => 2,
            Reply::Status | Reply::Nothing => 1,
            Reply::Unknown => 0,
        };
        stream.write_all(stop.get(..stops).unwrap_or_default())?;
        Ok(stream.flush()?)
    }
}

/// An ExtensionStatus.
fn write_status(output: &mut dyn TOutputProtocol, code: i32, message: &str) -> thrift::Result<()> {
    output.write_field_begin(&TFieldIdentifier::new("code", TType::I32, 1))?;
    output.write_i32(code)?;
    write_text_field(output, 2, message)?;
    output.write_field_begin(&TFieldIdentifier::new("uuid", TType::I64, 3))?;
    output.write_i64(0)?;
    output.write_field_stop()
}
