//! The two things a journal tells us: a connection was made, and a process was started.
//!
//! Events borrow from the line they were read from; the cache decides what is kept of them.

use std::hash::{Hash, Hasher};

use super::{FileTime, SophosPid};

/// The transport protocol, as far as the journal knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Not known, or neither of the others.
    #[default]
    Unknown,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// From a name in any case, or an IANA protocol number; everything else is `Unknown`.
    pub fn from_journal(text: &str) -> Protocol {
        match text {
            "tcp" | "6" => Protocol::Tcp,
            "udp" | "17" => Protocol::Udp,
            other => match other.trim() {
                "6" => Protocol::Tcp,
                "17" => Protocol::Udp,
                name if name.eq_ignore_ascii_case("tcp") => Protocol::Tcp,
                name if name.eq_ignore_ascii_case("udp") => Protocol::Udp,
                _ => Protocol::Unknown,
            },
        }
    }

    /// IANA's number of it; 0 if unknown.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Unknown => 0,
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }

    /// The protocol of this number of IANA's.
    pub fn from_number(number: u8) -> Protocol {
        match number {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            _ => Protocol::Unknown,
        }
    }

    /// The word in the column `protocol`; '' if unknown.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Unknown => "",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

/// The process behind an event. What the journal does not know is '' or `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process<'a> {
    /// Image path as the journal spells it.
    pub pathname: &'a str,
    /// Process id.
    pub pid: Option<u32>,
    /// Process start.
    pub start: Option<FileTime>,
    /// Command line.
    pub cmdline: &'a str,
}

impl Process<'_> {
    /// The instance's name; `None` if the pid is not known.
    pub fn sophos_pid(&self) -> Option<SophosPid> {
        self.pid.map(|pid| SophosPid { pid, start: self.start })
    }
}

/// One outbound connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionEvent<'a> {
    /// Unix milliseconds, >= 0.
    pub time_ms: i64,
    /// '' for this endpoint, else the originator's address or name.
    pub host: &'a str,
    /// Who connected.
    pub process: Process<'a>,
    /// To where, as [`super::normalise`] spells it; not ''.
    pub destination: &'a str,
    /// Destination port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The destination's name; '' if not known.
    pub domain: &'a str,
    /// Bytes from the host to the destination.
    pub bytes_sent: Option<u64>,
    /// Bytes from the destination to the host.
    pub bytes_received: Option<u64>,
    /// The record's own id within its journal (see [`record_id`]), to drop repeats.
    pub record_id: Option<u32>,
}

/// A process was started: what this tells of `process` (start, command line) holds for its
/// connections, whichever is read first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessEvent<'a> {
    /// As in [`ConnectionEvent::host`].
    pub host: &'a str,
    /// The process, with its pid and start.
    pub process: Process<'a>,
}

/// A record's own id (Zeek uid, osquery eid, Sysmon GUID and port) in 32 bits. It only ever
/// tells apart records that agree in process, destination and millisecond, so this is plenty.
pub fn record_id(parts: impl Hash) -> u32 {
    let mut hasher = rustc_hash::FxHasher::default();
    parts.hash(&mut hasher);
    let hash = hasher.finish();
    (hash >> 32) as u32 ^ hash as u32
}
