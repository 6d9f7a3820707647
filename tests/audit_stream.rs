//! The kernel's own audit records, live. Needs root and auditctl; elsewhere these tests pass with a
//! line that says so, and check that it is refused.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use beacon_candidates::journal::kernel::audit_rules::{Coverage, coverage};
use beacon_candidates::journal::kernel::audit_stream::{
    AuditConnection, AuditEvent, AuditStream, Unusable,
};

/// The kernel's clock ticks, and so do the times of its records.
const TOLERANCE_MS: i64 = 20;
const CONNECTS: usize = 20;

/// A rule, taken back in the end; so is audit, where it was off and nobody else has made a rule
/// since.
pub struct Rule {
    was_enabled: bool,
    words: Vec<String>,
}

fn auditctl(words: &[&str]) -> Option<String> {
    let output = Command::new("auditctl").args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Rule {
    /// Records connects of the children of this process.
    fn of_children() -> Option<Rule> {
        Rule::new(&format!("connect -F ppid={}", std::process::id()))
    }

    /// Records these calls.
    pub fn new(calls: &str) -> Option<Rule> {
        let was_enabled = !auditctl(&["-s"])?.contains("enabled 0");
        let key = std::process::id();
        let words = format!("always,exit -F arch=b64 -S {calls} -k beacon_test_{key}");
        let rule = Rule { was_enabled, words: words.split(' ').map(str::to_owned).collect() };
        auditctl(&["-e", "1"])?;
        rule.auditctl("-a")?;
        Some(rule)
    }

    fn auditctl(&self, verb: &str) -> Option<String> {
        let words = self.words.iter().map(String::as_str);
        auditctl(&std::iter::once(verb).chain(words).collect::<Vec<_>>())
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        let _ = self.auditctl("-d");
        if !self.was_enabled && auditctl(&["-l"]).is_some_and(|rules| rules.contains("No rules")) {
            let _ = auditctl(&["-e", "0"]);
        }
    }
}

/// BEACON_REQUIRE_PEER makes this a failure for root.
fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped, no live audit: {reason}");
}

/// A stream, and the rule that fills it.
fn open() -> Option<(Rule, AuditStream)> {
    if !rustix::process::geteuid().is_root() {
        skip("not root");
        let refused = AuditStream::open().err();
        assert!(matches!(refused, Some(Unusable::NoPrivilege | Unusable::NoAudit)), "{refused:?}");
        return None;
    }
    let opened = match AuditStream::open() {
        Ok(stream) => {
            Rule::of_children().map(|rule| (rule, stream)).ok_or("auditctl makes no rule".into())
        }
        // As in a container.
        Err(unusable) => Err(unusable.to_string()),
    };
    let required = std::env::var_os("BEACON_REQUIRE_PEER").is_some();
    match opened {
        Ok(opened) => Some(opened),
        Err(reason) if required => panic!("BEACON_REQUIRE_PEER is set, but {reason}"),
        Err(reason) => {
            skip(&reason);
            None
        }
    }
}

/// Reads until `many` connections of `pid` have come.
fn read(stream: &mut AuditStream, pid: u32, many: usize) -> Vec<AuditConnection> {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut connections = Vec::new();
    while connections.len() < many && Instant::now() < deadline {
        let wait = Duration::from_millis(100);
        stream
            .read(wait, &mut |event| match event {
                AuditEvent::Connection(connection) if connection.process.pid == Some(pid) => {
                    connections.push(connection);
                }
                _ => {}
            })
            .unwrap();
    }
    connections
}

/// Runs a shell that connects to `address` and `port`, behind `before`, and notes the time before
/// and after, in unix milliseconds. Whether anybody listens there does not matter.
fn connect(before: &[&str], address: &str, port: u16) -> (u32, Vec<(i64, i64)>) {
    let script = format!(
        "for i in {{1..{CONNECTS}}}; do before=$EPOCHREALTIME; \
         {{ exec 3<>/dev/tcp/{address}/{port}; }} 2>/dev/null; \
         echo $before $EPOCHREALTIME; sleep 0.03; done"
    );
    let words: Vec<_> = before.iter().copied().chain(["bash", "-c", &script, "beacon"]).collect();
    let child = Command::new(words[0]).args(&words[1..]).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let milliseconds = |seconds: &str| seconds.replace('.', "").parse::<i64>().unwrap() / 1000;
    let log = String::from_utf8(output.stdout).unwrap();
    let times = log.lines().map(|line| {
        let (before, after) = line.split_once(' ').unwrap();
        (milliseconds(before), milliseconds(after))
    });
    (pid, times.collect())
}

#[test]
fn connects_have_the_times_that_the_sender_has_noted() {
    let Some((_rule, mut stream)) = open() else {
        return;
    };
    assert!(matches!(coverage(), Ok(Coverage::All | Coverage::Part)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let refused = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().port()
    };
    // In a network namespace of its own there is no route to anywhere.
    for (before, port) in [(&[][..], port), (&[], refused), (&["unshare", "--net"], port)] {
        let (pid, noted) = connect(before, "127.0.0.1", port);
        let seen = read(&mut stream, pid, CONNECTS);
        assert_eq!((noted.len(), seen.len()), (CONNECTS, CONNECTS), "behind {before:?}");
        for ((before, after), connection) in noted.iter().zip(&seen) {
            let allowed = before - TOLERANCE_MS..=after + TOLERANCE_MS;
            assert!(allowed.contains(&connection.time_ms), "{connection:?} not in {allowed:?}");
            assert_eq!((&*connection.destination, connection.port), ("127.0.0.1", port));
            assert!(connection.process.exe.ends_with("/bash"), "{connection:?}");
            assert_eq!(connection.process.comm, "bash");
            // Where a rule records execve, too, the kernel keeps the title from before the exec.
            assert!(!connection.process.cmdline.is_empty(), "{connection:?}");
        }
    }
    assert_eq!(stream.lost(), 0);
}
