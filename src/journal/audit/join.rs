//! Joins the records of an event, which come one by one, in either order, and among those of
//! other events.
//!
//! Memory is bounded: some events wait for the rest of their records, and the oldest of them is
//! taken as it is when another one needs its place.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use super::call::{Call, succeeded, went_out};
use super::event::{AuditConnection, AuditEvent, AuditExec, AuditProcess};
use super::record::{Record, RecordId, RecordType};
use super::socket_address;
use crate::journal::{Protocol, normalise};

/// The most events that are kept.
const KEPT: usize = 256;
/// So much of a command line is kept, in bytes.
const LONGEST_CMDLINE: usize = 32 << 10;
/// The most processes whose command lines are remembered, and the bytes of each. Where there are more
/// processes, all are forgotten.
const MOST_PROCESSES: usize = 2048;
const REMEMBERED_CMDLINE: usize = 1024;
/// The most different datagrams of one second that are told apart. Beyond that, every datagram counts.
const MOST_DATAGRAMS: usize = 4096;

/// Events of which records have come.
#[derive(Default)]
pub struct Join {
    /// The oldest first.
    events: VecDeque<Event>,
    finished: VecDeque<AuditEvent>,
    past: Past,
}

/// What is remembered of events that are finished.
#[derive(Default)]
struct Past {
    programs: Programs,
    datagrams: Datagrams,
}

/// What has come of an event.
struct Event {
    node: String,
    time_ms: i64,
    serial: u64,
    call: Option<(Call, AuditProcess, Socket)>,
    address: Option<Result<(IpAddr, u16), &'static str>>,
    title: Option<String>,
    arguments: Option<String>,
    /// Whether nothing is expected of it any more. It is kept for the records that still come.
    is_over: bool,
}

/// The number of a socket in its process, as it is written.
type Socket = String;

impl Join {
    /// Takes a record; what it finishes is then in [`Join::next_event`].
    pub fn take(&mut self, record: &Record<'_>) {
        if record.record_type == RecordType::Other || record.record_type == RecordType::Detail {
            return;
        }
        let at = match self.events.iter().rposition(|event| event.is(&record.id)) {
            Some(at) => at,
            None => self.begin(&record.id),
        };
        if let Some(event) = self.events.get_mut(at)
            && !event.is_over
        {
            let is_over = event.take(record).unwrap_or_else(|reason| {
                self.finished.push_back(AuditEvent::Skipped(reason));
                event.drop_parts();
                true
            });
            if is_over {
                self.finished.extend(event.finish(&mut self.past));
            }
        }
    }

    /// Finishes what still waits for records: none will come.
    pub fn finish(&mut self) {
        for mut event in self.events.drain(..) {
            self.finished.extend(event.finish(&mut self.past));
        }
    }

    /// The next event that is finished.
    pub fn next_event(&mut self) -> Option<AuditEvent> {
        self.finished.pop_front()
    }

    /// Makes room for an event that is new, and gives its place.
    fn begin(&mut self, id: &RecordId<'_>) -> usize {
        if self.events.len() >= KEPT
            && let Some(mut oldest) = self.events.pop_front()
        {
            self.finished.extend(oldest.finish(&mut self.past));
        }
        self.events.push_back(Event {
            node: id.node.to_owned(),
            time_ms: id.time_ms,
            serial: id.serial,
            call: None,
            address: None,
            title: None,
            arguments: None,
            is_over: false,
        });
        self.events.len() - 1
    }
}

impl Event {
    fn is(&self, id: &RecordId<'_>) -> bool {
        self.serial == id.serial && self.time_ms == id.time_ms && self.node == id.node
    }

    /// Adds a record; gives whether the event is whole, or why it is no event of ours.
    fn take(&mut self, record: &Record<'_>) -> Result<bool, &'static str> {
        match record.record_type {
            RecordType::Syscall => {
                let call = Call::of(record).ok_or("neither a connect nor a send nor an exec")?;
                match call {
                    Call::Exec if !succeeded(record) => return Err("an exec that failed"),
                    Call::Connect | Call::Send if !went_out(record) => {
                        return Err("a call that failed before it went out");
                    }
                    _ => {}
                }
                let process = AuditProcess {
                    node: self.node.clone(),
                    pid: record.get("pid").and_then(|pid| pid.parse().ok()),
                    exe: record.path("exe"),
                    comm: record.text("comm").into_owned(),
                    cmdline: String::new(),
                };
                let socket = record.get("a0").unwrap_or_default();
                let socket = socket.get(..16).unwrap_or(socket).to_owned();
                self.call = Some((call, process, socket));
            }
            RecordType::SocketAddress => self.address = Some(socket_address::destination(record)),
            RecordType::ProcTitle => self.title = Some(record.command_line()),
            RecordType::Execve => self.add_arguments(record),
            RecordType::EndOfEvent => return Ok(true),
            RecordType::Detail | RecordType::Other => {}
        }
        let has_its_part = match &self.call {
            Some((Call::Exec, ..)) => self.arguments.is_some(),
            Some(_) => self.address.is_some(),
            None => false,
        };
        // The kernel writes the title last, and ausearch turns the order round.
        Ok(has_its_part && self.title.is_some())
    }

    fn add_arguments(&mut self, record: &Record<'_>) {
        let line = self.arguments.get_or_insert_default();
        for argument in record.arguments() {
            if !line.is_empty() && !argument.goes_on {
                line.push(' ');
            }
            let room = LONGEST_CMDLINE.saturating_sub(line.len());
            line.push_str(&argument.text[..argument.text.floor_char_boundary(room)]);
        }
    }

    fn drop_parts(&mut self) {
        (self.call, self.address, self.title, self.arguments) = (None, None, None, None);
    }

    /// What the event is, by what has come of it. It is over then.
    fn finish(&mut self, past: &mut Past) -> Option<AuditEvent> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let (call, address) = (self.call.take(), self.address.take());
        let (title, arguments) = (self.title.take(), self.arguments.take());
        let Some((call, mut process, socket)) = call else {
            let is_half = address.is_some() || arguments.is_some();
            return is_half.then_some(AuditEvent::Skipped("half an event: its SYSCALL is missing"));
        };
        let (time_ms, serial) = (self.time_ms, self.serial);
        if call == Call::Exec {
            process.cmdline = arguments.or(title).unwrap_or_default();
            past.programs.learn(&process);
            return Some(AuditEvent::Exec(AuditExec { time_ms, process }));
        }
        let (address, port) = match address {
            Some(Ok(destination)) => destination,
            Some(Err(reason)) => return Some(AuditEvent::Skipped(reason)),
            None => return Some(AuditEvent::Skipped("a call without an address")),
        };
        if port == 0 {
            return Some(AuditEvent::Skipped("port 0 (a look for a route)"));
        }
        process.cmdline = past.programs.cmdline(&process).or(title).unwrap_or_default();
        let protocol = if call == Call::Send { Protocol::Udp } else { Protocol::Unknown };
        if call == Call::Send
            && !past.datagrams.is_first(time_ms, (process.pid, socket, address, port))
        {
            return Some(AuditEvent::Skipped("a further datagram within a second"));
        }
        let destination = normalise(&address.to_string()).into_owned();
        let connection = AuditConnection { time_ms, serial, process, destination, port, protocol };
        Some(AuditEvent::Connection(connection))
    }
}

/// The programs that were started. The kernel keeps the title that it first saw of a process, and that
/// may be from before an exec, of the parent's program; the arguments of the exec are right.
#[derive(Default)]
struct Programs {
    /// Path and command line by node and pid.
    started: HashMap<(String, Option<u32>), (String, String)>,
}

impl Programs {
    fn learn(&mut self, process: &AuditProcess) {
        if self.started.len() >= MOST_PROCESSES {
            self.started.clear();
        }
        let AuditProcess { node, pid, exe, cmdline, .. } = process;
        let kept = cmdline.floor_char_boundary(REMEMBERED_CMDLINE);
        self.started.insert((node.clone(), *pid), (exe.clone(), cmdline[..kept].to_owned()));
    }

    /// The command line with which the program of this process was started, if that was recorded.
    fn cmdline(&self, process: &AuditProcess) -> Option<String> {
        let (exe, cmdline) = self.started.get(&(process.node.clone(), process.pid))?;
        (*exe == process.exe).then(|| cmdline.clone())
    }
}

/// Process, socket, address and port of a datagram.
type Flow = (Option<u32>, Socket, IpAddr, u16);

/// The datagrams of one second: of those from one socket to one destination the first counts.
#[derive(Default)]
struct Datagrams {
    second: i64,
    seen: HashSet<Flow>,
}

impl Datagrams {
    fn is_first(&mut self, time_ms: i64, flow: Flow) -> bool {
        let second = time_ms.div_euclid(1000);
        if second != self.second {
            self.second = second;
            self.seen.clear();
        }
        if self.seen.len() >= MOST_DATAGRAMS {
            return !self.seen.contains(&flow);
        }
        self.seen.insert(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "arch=c000003e syscall=42 success=no exit=-115 a0=3 pid=7 comm=\"c\" \
                        exe=\"/bin/c\"";
    const ADDRESS: &str = "saddr=020001BBC00002010000000000000000";

    fn line(name: &str, serial: u64, fields: &str) -> String {
        format!("type={name} msg=audit(1777881600.250:{serial}): {fields}")
    }

    /// Connections by serial number, and the reasons of the others.
    fn joined(lines: &[String]) -> (Vec<u64>, Vec<&'static str>) {
        let mut join = Join::default();
        for line in lines {
            join.take(&Record::from_line(line).unwrap());
        }
        join.finish();
        let (mut serials, mut reasons) = (Vec::new(), Vec::new());
        while let Some(event) = join.next_event() {
            match event {
                AuditEvent::Connection(connection) => serials.push(connection.serial),
                AuditEvent::Skipped(reason) => reasons.push(reason),
                AuditEvent::Exec(_) => {}
            }
        }
        (serials, reasons)
    }

    #[test]
    fn records_of_several_events_at_once_are_joined_by_their_numbers() {
        let parts = [("SYSCALL", CALL), ("SOCKADDR", ADDRESS), ("PROCTITLE", "proctitle=\"c\"")];
        let lines: Vec<_> = parts
            .iter()
            .flat_map(|(name, fields)| (1..=100).map(|serial| line(name, serial, fields)))
            .collect();
        let all: Vec<_> = (1..=100).collect();
        assert_eq!(joined(&lines), (all.clone(), vec![]));
        let reversed: Vec<_> = lines.iter().rev().cloned().collect();
        assert_eq!(joined(&reversed), (all.into_iter().rev().collect(), vec![]));
    }

    #[test]
    fn an_event_whose_end_never_comes_makes_room_and_still_counts() {
        let lines: Vec<_> = (1..=2 * KEPT as u64)
            .flat_map(|serial| [line("SYSCALL", serial, CALL), line("SOCKADDR", serial, ADDRESS)])
            .collect();
        assert_eq!(joined(&lines).0.len(), 2 * KEPT);
        let mut join = Join::default();
        for line in &lines {
            join.take(&Record::from_line(line).unwrap());
            while join.next_event().is_some() {}
            assert!(join.events.len() <= KEPT);
        }
    }

    #[test]
    fn of_the_datagrams_of_a_second_the_first_counts() {
        let send = CALL.replace("syscall=42", "syscall=44");
        let other = send.replace("a0=3", "a0=4");
        let lines: Vec<_> = [(1, &send), (2, &send), (3, &other)]
            .into_iter()
            .flat_map(|(serial, call)| {
                [line("SYSCALL", serial, call), line("SOCKADDR", serial, ADDRESS)]
            })
            .collect();
        assert_eq!(joined(&lines), (vec![1, 3], vec!["a further datagram within a second"]));
    }

    /// Seen on a real kernel: the title was that of the process that had called fork.
    #[test]
    fn the_arguments_of_an_exec_count_for_more_than_a_title_of_before() {
        let exec = CALL.replace("syscall=42 success=no exit=-115", "syscall=59 success=yes exit=0");
        let title = "proctitle=\"parent\"";
        let lines = [
            line("SYSCALL", 1, &exec),
            line("EXECVE", 1, "argc=2 a0=\"c\" a1=2D78202D79"),
            line("PROCTITLE", 1, title),
            line("SYSCALL", 2, CALL),
            line("SOCKADDR", 2, ADDRESS),
            line("PROCTITLE", 2, title),
        ];
        let mut join = Join::default();
        lines.iter().for_each(|line| join.take(&Record::from_line(line).unwrap()));
        let cmdlines = std::iter::from_fn(|| join.next_event()).map(|event| match event {
            AuditEvent::Exec(exec) => exec.process.cmdline,
            AuditEvent::Connection(connection) => connection.process.cmdline,
            AuditEvent::Skipped(reason) => reason.to_owned(),
        });
        assert_eq!(cmdlines.collect::<Vec<_>>(), ["c -x -y", "c -x -y"]);
    }

    #[test]
    fn half_an_event_is_told() {
        assert_eq!(
            joined(&[line("SYSCALL", 1, CALL)]),
            (vec![], vec!["a call without an address"])
        );
        let (serials, reasons) = joined(&[line("SOCKADDR", 1, ADDRESS)]);
        assert_eq!((serials, reasons.len()), (vec![], 1));
        // A record after the end does not begin the event anew.
        let lines = [
            line("SYSCALL", 1, &CALL.replace("=42", "=1")),
            line("SOCKADDR", 1, ADDRESS),
            line("EOE", 1, ""),
        ];
        assert_eq!(joined(&lines).1.len(), 1);
    }
}
