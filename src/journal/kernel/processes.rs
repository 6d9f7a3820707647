//! Who connected: path, start and command line of a process, read from /proc at its first
//! connection and remembered.
//!
//! A process may have ended by the time that we look. What the kernel's programs saw of it (fork,
//! exec, thread name) has to do then.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::command_lines::CommandLines;
use super::ebpf::Birth;
use crate::journal::{FileTime, Process};

/// How many processes are remembered. Above, all are forgotten and looked at again.
const KEPT: usize = 2048;
/// A process whose fork was not seen is known by its pid alone, and pids are used again. After this
/// it is looked at anew; pids do not come round so soon.
const KNOWN_BY_PID_FOR: Duration = Duration::from_secs(1);

/// What is known of the processes that connected.
pub(super) struct Processes {
    known: HashMap<u32, Known>,
    /// What the paths given to exec led to: they may be links, relative, or scripts.
    executables: HashMap<String, String>,
    command_lines: CommandLines,
}

struct Known {
    birth: Birth,
    /// Its last exec, as far as that was seen.
    exec: Exec,
    /// What was found at its first connection.
    found: Option<Found>,
}

/// What the source saw of a process that called exec.
#[derive(Default)]
pub(super) struct Exec {
    /// The path; '' if it was not seen.
    pub(super) path: String,
    /// The command line; '' if it was not seen.
    pub(super) cmdline: String,
    /// When, where the source does not know of the fork.
    pub(super) start: Option<FileTime>,
}

struct Found {
    pathname: String,
    start: Option<FileTime>,
    /// Clock ticks since boot, as /proc tells; `None` if the process was gone.
    start_ticks: Option<u64>,
    cmdline: String,
    looked: Instant,
}

/// A process of a connection, as its source tells.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) pid: u32,
    /// The thread, which may go on where the first thread of its process has ended.
    pub(super) thread: u32,
    pub(super) birth: Birth,
    /// The path as the source knows it; '' if it does not.
    pub(super) pathname: &'a str,
    /// The command line as the source knows it; '' if it does not.
    pub(super) cmdline: &'a str,
    /// The thread's name.
    pub(super) comm: &'a str,
}

impl Processes {
    pub(super) fn new() -> Processes {
        Processes {
            known: HashMap::new(),
            executables: HashMap::new(),
            command_lines: CommandLines::new(),
        }
    }

    /// Learns what a process runs that has not connected yet.
    pub(super) fn learn(&mut self, pid: u32, birth: Birth, exec: Exec) {
        self.make_room_for(pid);
        self.known.insert(pid, Known { birth, exec, found: None });
    }

    /// Who made a connection.
    pub(super) fn of<'p>(&'p mut self, caller: Caller<'p>, clock: &Clock) -> Process<'p> {
        let Caller { pid, birth, .. } = caller;
        self.make_room_for(pid);
        let Processes { known, executables, command_lines } = self;
        let known = known.entry(pid).or_insert_with(|| Known::new(birth));
        if known.birth != birth {
            *known = Known::new(birth);
        }
        let found = match known.found.take().filter(|found| found.is_of(caller)) {
            Some(found) => found,
            None => Found::look(caller, &known.exec, clock, executables, command_lines),
        };
        let found = known.found.insert(found);
        Process {
            pathname: &found.pathname,
            pid: Some(pid),
            start: found.start,
            // What audit tells is the first 128 bytes, and of a process that has called exec since
            // its first record sometimes those of before.
            cmdline: match found.cmdline.as_str() {
                "" => caller.cmdline,
                found => found,
            },
        }
    }

    /// What is known of this process itself stays: it may be gone from /proc.
    fn make_room_for(&mut self, pid: u32) {
        if self.known.len() >= KEPT && !self.known.contains_key(&pid) {
            self.known.clear();
            self.executables.clear();
        }
    }
}

impl Known {
    fn new(birth: Birth) -> Known {
        Known { birth, exec: Exec::default(), found: None }
    }
}

impl Found {
    /// Whether the process that was found is still the caller.
    fn is_of(&self, caller: Caller<'_>) -> bool {
        // Whether it has called exec since. Where the source cannot tell, the link to the program does.
        let runs = match caller.pathname {
            "" if caller.birth == Birth::default() => executable(caller),
            "" => None,
            pathname => Some(pathname.to_owned()),
        };
        if runs.is_some_and(|runs| runs != self.pathname) {
            return false;
        }
        caller.birth.start_ns != 0
            || self.looked.elapsed() < KNOWN_BY_PID_FOR
            || start_ticks(caller.pid) == self.start_ticks
    }

    fn look(
        caller: Caller<'_>,
        exec: &Exec,
        clock: &Clock,
        executables: &mut HashMap<String, String>,
        command_lines: &mut CommandLines,
    ) -> Found {
        let Caller { pid, birth, pathname, comm, .. } = caller;
        let forked_in_tick = (birth.start_ns != 0).then(|| clock.tick(birth.start_ns));
        // The kernel takes the start of a process a little before it tells of the fork.
        let is_caller = |ticks: &u64| forked_in_tick.is_none_or(|fork| fork.abs_diff(*ticks) <= 1);
        let start_ticks = start_ticks(pid).filter(is_caller);
        let running = start_ticks.and_then(|_| executable(caller));
        if let (Some(running), false) = (&running, exec.path.is_empty()) {
            executables.insert(exec.path.clone(), running.clone());
        }
        let pathname = match (pathname, running, exec.path.as_str()) {
            ("", Some(running), _) => running,
            ("", None, "") => format!("[{comm}]"),
            // The same as of a process that was still there when it was looked at.
            ("", None, given_to_exec) => {
                executables.get(given_to_exec).map_or(given_to_exec, String::as_str).to_owned()
            }
            (told, ..) => told.to_owned(),
        };
        let start = start_ticks.or(forked_in_tick).and_then(|ticks| clock.start_of_ticks(ticks));
        let cmdline = start_ticks.map(|_| command_lines.of(pid, caller.thread));
        Found {
            pathname,
            start: start.or(exec.start),
            start_ticks,
            // A process that has ended and is still listed has none any more.
            cmdline: cmdline.filter(|found| !found.is_empty()).unwrap_or(exec.cmdline.clone()),
            looked: Instant::now(),
        }
    }
}

/// The path as the process itself sees it, also in a container; `None` for kernel threads and
/// processes that have ended.
fn executable(caller: Caller<'_>) -> Option<String> {
    let Caller { pid, thread, .. } = caller;
    let path = fs::read_link(format!("/proc/{pid}/task/{thread}/exe")).ok()?;
    let path = path.to_string_lossy();
    // What was removed, or replaced by an update, is still the same program.
    Some(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
}

/// When a process was started, in clock ticks since boot: field 22 of proc_pid_stat(5).
fn start_ticks(pid: u32) -> Option<u64> {
    start_ticks_in(&fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?)
}

/// The second field is the name in brackets, in which there may be spaces and brackets.
fn start_ticks_in(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn caller(pid: u32) -> Caller<'static> {
        let birth = Birth::default();
        Caller { pid, thread: pid, birth, pathname: "", cmdline: "", comm: "sleep" }
    }

    #[test]
    fn a_running_process_is_found_and_one_that_has_ended_has_what_the_kernel_saw() {
        let clock = Clock::new();
        let mut processes = Processes::new();
        let mut child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        // Until it has called exec it is a copy of this test.
        let mut command_lines = CommandLines::new();
        let mut is_sleep = || command_lines.of(pid, pid).contains("sleep 60");
        while !is_sleep() {
            std::thread::yield_now();
        }
        let running = processes.of(caller(pid), &clock);
        assert_eq!(running.cmdline, "/bin/sleep 60");
        let started = running.start.unwrap().unix_ms();
        let age_ms = jiff::Timestamp::now().as_millisecond() - started;
        assert!((0..10_000).contains(&age_ms), "started {age_ms} ms ago");
        child.kill().unwrap();
        child.wait().unwrap();

        // Now it is gone. A process of this pid whose fork was seen long ago is not the same.
        let birth = Birth { start_ns: 20_000_000_000, exec_ns: 21_000_000_000 };
        let gone = Caller { birth, ..caller(pid) };
        let nothing = processes.of(gone, &clock);
        assert_eq!((nothing.pathname, nothing.cmdline), ("[sleep]", ""));
        assert_eq!(nothing.start, clock.start_of_ticks(clock.tick(birth.start_ns)));
        let birth = Birth { exec_ns: 22_000_000_000, ..birth };
        let exec = Exec { path: "/usr/bin/curl".to_owned(), ..Exec::default() };
        processes.learn(pid, birth, exec);
        assert_eq!(processes.of(Caller { birth, ..gone }, &clock).pathname, "/usr/bin/curl");
    }

    #[test]
    fn a_name_with_brackets_does_not_move_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 98765 1 2 3";
        assert_eq!(start_ticks_in(stat), Some(98765));
        assert_eq!(start_ticks_in("7 (a"), None);
    }
}
