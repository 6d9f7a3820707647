//! A source in the kernel that is listened to: its records become connection events.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::KernelSource;
use super::audit_rules::{Coverage, coverage};
use super::audit_stream::{self, AuditConnection, AuditEvent, AuditStream};
use super::clock::Clock;
use super::ebpf::{Birth, Connect, EbpfStream, EbpfUnusable, Record};
use super::processes::{Caller, Exec, Processes};
use crate::journal::delivery::{Delivered, Delivery, JournalSink};
use crate::journal::{ConnectionEvent, FileTime, Protocol, record_id};
use crate::words;

/// As many records are read at a time; a flood must not keep us from writing them down.
const RECORDS_AT_A_TIME: usize = 4096;
/// IANA has no number for multipath TCP, the kernel has (IPPROTO_MPTCP).
const MULTIPATH_TCP: u32 = 262;

/// A source cannot be used on this machine, and why.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// eBPF.
    #[error(transparent)]
    Ebpf(#[from] EbpfUnusable),
    /// Audit.
    #[error(transparent)]
    Audit(#[from] audit_stream::Unusable),
}

/// No source of the kernel's can be used on this machine: a reason for each.
#[derive(Debug, thiserror::Error)]
#[error("the kernel hands on no connections: {}", .0.join("; "))]
pub struct NoneUsable(Vec<String>);

/// Connections were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The kernel does not answer any more.
    #[error("the kernel hands on no more connections: {0}")]
    Kernel(io::Error),
    /// The sink could not take an event.
    #[error(transparent)]
    Sink(E),
}

/// The first source that can be used, or why each cannot.
pub fn open_first() -> Result<KernelJournal, NoneUsable> {
    let mut reasons = Vec::new();
    for source in KernelSource::ALL {
        match source.open() {
            Ok(journal) => return Ok(journal),
            Err(reason) => reasons.push(reason.to_string()),
        }
    }
    Err(NoneUsable(reasons))
}

impl KernelSource {
    /// Begins to listen.
    pub fn open(self) -> Result<KernelJournal, Unusable> {
        let (stream, remark) = match self {
            KernelSource::Ebpf => {
                let stream = EbpfStream::open()?;
                let remark = stream.remark().to_owned();
                (Stream::Ebpf(Box::new(stream)), remark)
            }
            KernelSource::Audit => {
                let remark = match coverage()? {
                    Coverage::All => "",
                    Coverage::Part => "audit's rules record the connections of some processes only",
                    Coverage::Unknown => "whether audit's rules record connections is not known",
                };
                (Stream::Audit(AuditStream::open()?), remark.to_owned())
            }
        };
        let (clock, processes) = (Clock::new(), Processes::new());
        Ok(KernelJournal { source: self, stream, remark, lost: 0, clock, processes })
    }
}

enum Stream {
    Ebpf(Box<EbpfStream>),
    Audit(AuditStream),
}

/// A source that is listened to; ends when it is dropped.
pub struct KernelJournal {
    source: KernelSource,
    stream: Stream,
    remark: String,
    /// What was lost, as far as that is told.
    lost: u64,
    clock: Clock,
    processes: Processes,
}

impl KernelJournal {
    /// The name of its source.
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    /// What is missing although connections are seen, a sentence; '' if nothing is.
    pub fn remark(&self) -> &str {
        &self.remark
    }

    /// What was lost since this was last asked, because it came faster than it was read.
    pub fn newly_lost(&mut self) -> Option<String> {
        let lost = match &self.stream {
            Stream::Ebpf(stream) => stream.lost(),
            Stream::Audit(stream) => stream.lost(),
        };
        let newly = lost.saturating_sub(std::mem::replace(&mut self.lost, lost));
        (newly > 0).then(|| match &self.stream {
            Stream::Ebpf(_) => format!("{} lost", words::count(newly, "connection")),
            // How many each time, the kernel does not say.
            Stream::Audit(_) => format!("audit records lost, {}", words::count(newly, "time")),
        })
    }

    /// Waits until there are connections, `longest` at most, and hands them to `sink`.
    pub fn read<S: JournalSink>(
        &mut self,
        longest: Duration,
        sink: &mut S,
    ) -> Result<Delivered, ReadError<S::Error>> {
        let KernelJournal { stream, clock, processes, .. } = self;
        let mut delivery = Delivery::new(sink);
        match stream {
            Stream::Ebpf(stream) => {
                wait_for(stream, longest);
                clock.refresh();
                for record in std::iter::from_fn(|| stream.next()).take(RECORDS_AT_A_TIME) {
                    match record {
                        Record::Program(program) => {
                            let exec = Exec { path: program.path, ..Exec::default() };
                            processes.learn(program.pid, program.birth, exec);
                        }
                        Record::Connect(connect) => {
                            deliver_connect(&connect, clock, processes, &mut delivery)
                                .map_err(ReadError::Sink)?;
                        }
                    }
                }
            }
            Stream::Audit(stream) => {
                let mut events = Vec::new();
                stream.read(longest, &mut |event| events.push(event)).map_err(ReadError::Kernel)?;
                for event in events {
                    deliver_audit(event, clock, processes, &mut delivery)
                        .map_err(ReadError::Sink)?;
                }
            }
        }
        Ok(delivery.finish())
    }
}

/// A signal ends the wait early, and so does an error; both find nothing to read.
fn wait_for(stream: &EbpfStream, longest: Duration) {
    let longest = Timespec::try_from(longest).unwrap_or_default();
    let mut stream = [PollFd::from_borrowed_fd(stream.as_fd(), PollFlags::IN)];
    match poll(&mut stream, Some(&longest)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => log::debug!("cannot wait for the kernel: {error}"),
    }
}

fn deliver_connect<S: JournalSink>(
    connect: &Connect,
    clock: &Clock,
    processes: &mut Processes,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    let protocol = match connect.protocol {
        MULTIPATH_TCP => Protocol::Tcp,
        number => u8::try_from(number).map_or(Protocol::Unknown, Protocol::from_number),
    };
    if protocol == Protocol::Unknown {
        to.skip("neither TCP nor UDP");
        return Ok(());
    }
    let destination = match connect.address {
        IpAddr::V6(address) => address.to_canonical(), // IPv4 from an IPv6 socket
        address => address,
    };
    let caller = Caller {
        pid: connect.pid,
        thread: connect.thread,
        birth: connect.birth,
        pathname: "",
        cmdline: "",
        comm: &connect.comm,
    };
    to.connection(&ConnectionEvent {
        time_ms: clock.unix_ms(connect.time_ns),
        host: "",
        process: processes.of(caller, clock),
        destination: &destination.to_string(),
        port: connect.port,
        protocol,
        domain: "",
        bytes_sent: None,
        bytes_received: None,
        record_id: Some(record_id(connect.time_ns)),
    })
}

fn deliver_audit<S: JournalSink>(
    event: AuditEvent,
    clock: &Clock,
    processes: &mut Processes,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    match event {
        AuditEvent::Connection(connection) => {
            deliver_audited_connection(&connection, clock, processes, to)
        }
        AuditEvent::Exec(exec) => {
            if let Some(pid) = exec.process.pid {
                let seen = Exec {
                    path: exec.process.exe,
                    cmdline: exec.process.cmdline,
                    start: FileTime::from_unix_ms(exec.time_ms),
                };
                processes.learn(pid, Birth::default(), seen);
            }
            Ok(())
        }
        AuditEvent::Skipped(reason) => {
            to.skip(reason);
            Ok(())
        }
    }
}

fn deliver_audited_connection<S: JournalSink>(
    connection: &AuditConnection,
    clock: &Clock,
    processes: &mut Processes,
    to: &mut Delivery<'_, S>,
) -> Result<(), S::Error> {
    let told = &connection.process;
    let event = connection.event();
    let process = match told.pid {
        Some(pid) => processes.of(
            Caller {
                pid,
                thread: pid, // the records tell of none
                birth: Birth::default(),
                pathname: &told.exe,
                cmdline: &told.cmdline,
                comm: &told.comm,
            },
            clock,
        ),
        None => event.process,
    };
    // Of this machine, whatever auditd would call it.
    to.connection(&ConnectionEvent { host: "", process, ..event })
}
