//! A source in the kernel that is listened to: its records become connection events.

use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::KernelSource;
use super::clock::Clock;
use super::ebpf::{Connect, EbpfStream, EbpfUnusable, Record};
use super::processes::{Caller, Processes};
use crate::journal::delivery::{Delivered, Delivery, JournalSink};
use crate::journal::{ConnectionEvent, Protocol, record_id};

/// As many records are read at a time; a flood must not keep us from writing them down.
const RECORDS_AT_A_TIME: usize = 4096;
/// IANA has no number for multipath TCP, the kernel has (IPPROTO_MPTCP).
const MULTIPATH_TCP: u32 = 262;

impl KernelSource {
    /// Begins to listen.
    pub fn open(self) -> Result<KernelJournal, Unusable> {
        let stream = match self {
            KernelSource::Ebpf => EbpfStream::open()?,
        };
        Ok(KernelJournal { source: self, stream, clock: Clock::new(), processes: Processes::new() })
    }
}

/// A source cannot be used on this machine, and why.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// eBPF.
    #[error(transparent)]
    Ebpf(#[from] EbpfUnusable),
}

/// A source that is listened to; ends when it is dropped.
pub struct KernelJournal {
    source: KernelSource,
    stream: EbpfStream,
    clock: Clock,
    processes: Processes,
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

/// No source of the kernel's can be used on this machine: a reason for each.
#[derive(Debug, thiserror::Error)]
#[error("the kernel hands on no connections: {}", .0.join("; "))]
pub struct NoneUsable(Vec<String>);

impl KernelJournal {
    /// The name of its source.
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    /// What is missing although connections are seen, a sentence; '' if nothing is.
    pub fn remark(&self) -> &str {
        self.stream.remark()
    }

    /// How many connections were lost since it was opened, because they came faster than they were
    /// read.
    pub fn lost(&self) -> u64 {
        self.stream.lost()
    }

    /// Waits until there are connections, `longest` at most, and hands them to `sink`.
    pub fn read<S: JournalSink>(
        &mut self,
        longest: Duration,
        sink: &mut S,
    ) -> Result<Delivered, S::Error> {
        self.wait(longest);
        self.clock.refresh();
        let mut delivery = Delivery::new(sink);
        for _ in 0..RECORDS_AT_A_TIME {
            match self.stream.next() {
                Some(Record::Program(program)) => self.processes.learn(program),
                Some(Record::Connect(connect)) => self.deliver(&connect, &mut delivery)?,
                None => break,
            }
        }
        Ok(delivery.finish())
    }

    /// A signal ends the wait early, and so does an error; both find nothing to read.
    fn wait(&self, longest: Duration) {
        let longest = Timespec::try_from(longest).unwrap_or_default();
        let mut stream = [PollFd::from_borrowed_fd(self.stream.as_fd(), PollFlags::IN)];
        match poll(&mut stream, Some(&longest)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => log::debug!("cannot wait for the kernel: {error}"),
        }
    }

    fn deliver<S: JournalSink>(
        &mut self,
        connect: &Connect,
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
            birth: connect.birth,
            pathname: "",
            cmdline: "",
            comm: &connect.comm,
        };
        to.connection(&ConnectionEvent {
            time_ms: self.clock.unix_ms(connect.time_ns),
            host: "",
            process: self.processes.of(caller, &self.clock),
            destination: &destination.to_string(),
            port: connect.port,
            protocol,
            domain: "",
            bytes_sent: None,
            bytes_received: None,
            record_id: Some(record_id(connect.time_ns)),
        })
    }
}
