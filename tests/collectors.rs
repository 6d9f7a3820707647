//! Live collection, without osquery: its tables in an SQLite, and what each collector makes of
//! their rows.

use beacon_candidates::journal::collector::{
    self, CollectError, Collector, Host, HostError, Named, Row, Slice, Source, SqlSource,
};
use beacon_candidates::journal::{ConnectionEvent, JournalSink, ProcessEvent, Rejection};
use rusqlite::Connection;

const NOW: i64 = 1_790_000_000;
const SLICE: Slice = Slice { from_s: NOW - 300, to_s: NOW + 1, reaches_now: false };

/// An osquery made of SQLite.
struct FakeOsquery {
    database: Connection,
    asked: Vec<String>,
    /// A larger answer cannot be had.
    most_bytes: usize,
}

impl FakeOsquery {
    fn new() -> FakeOsquery {
        let database = Connection::open_in_memory().unwrap();
        database.execute_batch(include_str!("peer/osquery.sql")).unwrap();
        FakeOsquery { database, asked: Vec::new(), most_bytes: usize::MAX }
    }

    fn execute(&self, sql: &str) {
        self.database.execute_batch(sql).unwrap();
    }

    fn connect(&self, time: i64, pid: u32, path: &str, address: &str) {
        self.execute(&format!(
            "INSERT INTO socket_events (action, status, protocol, time, eid, pid, path,
                                        remote_address, remote_port)
             SELECT 'connect', 'succeeded', 0, {time}, printf('%010d', count(*)), {pid}, '{path}',
                    '{address}', 443
             FROM socket_events"
        ));
    }

    fn has_started(&self, publisher: &str) {
        self.execute(&format!("UPDATE osquery_events SET active = 1 WHERE name = '{publisher}'"));
    }
}

impl Host for FakeOsquery {
    fn query(&mut self, sql: &str, on_row: &mut dyn FnMut(&Row)) -> Result<(), HostError> {
        self.asked.push(sql.to_owned());
        let failed = |error: rusqlite::Error| HostError(error.to_string());
        let mut statement = self.database.prepare(sql).map_err(failed)?;
        let names: Vec<_> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).map_err(failed)?;
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            let mut value = |column| {
                let text = crate::support::text(row.get_ref(column).unwrap());
                bytes += text.len();
                text
            };
            on_row(&names.iter().cloned().zip((0..names.len()).map(&mut value)).collect());
            if bytes > self.most_bytes {
                return Err(HostError("the answer is too large".to_owned()));
            }
        }
        Ok(())
    }
}

/// Events as text, one a line.
#[derive(Default)]
struct Seen(Vec<String>);

impl JournalSink for Seen {
    type Error = std::convert::Infallible;

    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Self::Error> {
        let process = &event.process;
        let sophos_pid = process.sophos_pid().map(|pid| pid.to_string()).unwrap_or_default();
        self.0.push(format!(
            "{} {} {} {}::{} {} {:?}",
            event.time_ms - NOW * 1000,
            sophos_pid.replace(&start_text(0), "NOW"),
            process.pathname,
            event.destination,
            event.port,
            event.protocol.as_str(),
            process.cmdline,
        ));
        Ok(())
    }

    fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), Self::Error> {
        let sophos_pid = event.process.sophos_pid().unwrap();
        self.0.push(format!("{sophos_pid} started {:?}", event.process.cmdline));
        Ok(())
    }

    fn rejected(&mut self, rejection: Rejection) {
        self.0.push(format!("row {}: {}", rejection.line, rejection.reason));
    }
}

/// The FILETIME of so many seconds from now.
fn start_text(seconds: i64) -> String {
    ((NOW + seconds + 11_644_473_600) * 10_000_000).to_string()
}

fn collect(collector: impl Into<Collector>, host: &mut FakeOsquery) -> Vec<String> {
    let mut seen = Seen::default();
    collector.into().collect(SLICE, host, &mut seen).unwrap();
    seen.0
}

fn chosen(host: &mut FakeOsquery) -> (String, &'static str) {
    let choice = collector::choose(Source::Auto, host).unwrap();
    (choice.collector.map_or("nothing", |collector| collector.name()).to_owned(), choice.remark)
}

#[test]
fn the_first_source_that_records_is_chosen() {
    let mut host = FakeOsquery::new();
    let (name, remark) = chosen(&mut host);
    assert_eq!(name, "process_open_sockets");
    assert!(remark.starts_with("last resort"), "{remark}");
    host.has_started("BPFEventPublisher");
    let (name, remark) = chosen(&mut host);
    assert_eq!(name, "bpf_socket_events");
    assert!(remark.contains("no event yet"), "{remark}");
    host.execute("UPDATE osquery_events SET events = 5 WHERE type = 'publisher'");
    assert_eq!(chosen(&mut host), ("bpf_socket_events".into(), ""));
    host.has_started("auditeventpublisher");
    assert_eq!(chosen(&mut host), ("socket_events".into(), ""));
    // windows_events records, but not what Sysmon writes.
    host.has_started("windows_event_log_publisher");
    assert_eq!(chosen(&mut host), ("socket_events".into(), ""));
    host.execute(
        "UPDATE osquery_flags SET value = 'System,Microsoft-Windows-Sysmon/Operational'
         WHERE name = 'windows_event_channels'",
    );
    assert_eq!(chosen(&mut host), ("sysmon".into(), ""));
    let named = collector::choose(Source::Named(Named::OpenSockets), &mut host).unwrap();
    assert_eq!(named.collector.unwrap().name(), "process_open_sockets");
    host.execute("UPDATE osquery_events SET active = 0");
    let named = collector::choose(Source::Named(Named::SocketEvents), &mut host).unwrap();
    assert!(named.remark.starts_with("osquery does not record this"), "{}", named.remark);
    assert_eq!(named.events_expiry_s, Some(3600));
}

#[test]
fn an_osquery_without_events_is_left_alone() {
    let mut host = FakeOsquery::new();
    host.execute("UPDATE osquery_flags SET value = 'true' WHERE name = 'disable_events'");
    let (name, remark) = chosen(&mut host);
    assert_eq!(name, "nothing");
    assert_eq!(remark, "this osquery records no events (--disable_events)");
}

#[test]
fn socket_events_have_the_starts_of_their_processes() {
    let mut host = FakeOsquery::new();
    host.execute(&format!(
        "INSERT INTO processes VALUES (10, 'agent', '/usr/bin/agent', 'agent -d', {0} - 9000),
                                      (11, 'sh', '/bin/sh', 'sh', {0} - 3);
         INSERT INTO process_events VALUES (11, '/usr/bin/curl', 'curl a', {0} - 200, '1'),
                                           (11, '/usr/bin/curl', 'curl b', {0} - 100, '2'),
                                           (99, '/usr/bin/true', 'true', {0} - 100, '3');",
        NOW
    ));
    host.connect(NOW - 50, 10, "/usr/bin/agent", "0000:0000:0000:0000:0000:ffff:c633:6401");
    host.connect(NOW - 199, 11, "/usr/bin/curl", "198.51.100.2");
    host.connect(NOW - 99, 11, "/usr/bin/curl", "198.51.100.2");
    host.connect(NOW - 250, 11, "/usr/bin/curl", "198.51.100.3");
    host.connect(NOW - 301, 11, "/usr/bin/curl", "198.51.100.4");
    let mut collector = Collector::from(Named::SocketEvents);
    let mut seen = Seen::default();
    collector.collect(SLICE, &mut host, &mut seen).unwrap();
    let expected = [
        // Before any known start of a curl with this pid.
        "-250000 11:0 /usr/bin/curl 198.51.100.3::443  \"\"".to_owned(),
        format!("-199000 11:{} /usr/bin/curl 198.51.100.2::443  \"curl a\"", start_text(-200)),
        format!("-99000 11:{} /usr/bin/curl 198.51.100.2::443  \"curl b\"", start_text(-100)),
        format!("-50000 10:{} /usr/bin/agent 198.51.100.1::443  \"agent -d\"", start_text(-9000)),
    ];
    assert_eq!(seen.0, expected);
    // What was started before this slice is remembered for later ones.
    let later = Slice { from_s: NOW + 1, to_s: NOW + 30, reaches_now: true };
    host.connect(NOW + 20, 11, "/usr/bin/curl", "198.51.100.9");
    let mut seen = Seen::default();
    collector.collect(later, &mut host, &mut seen).unwrap();
    let row = format!("20000 11:{} /usr/bin/curl 198.51.100.9::443  \"curl b\"", start_text(-100));
    assert_eq!(seen.0, [row]);
    let on_events = host.asked.iter().filter(|sql| sql.contains("_events "));
    assert_eq!(on_events.clone().count(), 4);
    for sql in on_events {
        // Else osquery would move the bookmark of the scheduled query that is running.
        assert!(sql.contains("WHERE time >= "), "{sql}");
    }
}

/// A hundred processes with megabytes of arguments made each answer too large, and nothing was collected.
#[test]
fn long_command_lines_blind_nobody() {
    let mut host = FakeOsquery::new();
    for pid in 100..260 {
        let cmdline =
            if pid == 100 { "'short'".to_owned() } else { "hex(zeroblob(500000))".to_owned() };
        host.execute(&format!(
            "INSERT INTO processes VALUES ({pid}, 'x', '/x', {cmdline}, {NOW} - 60);
             INSERT INTO process_events VALUES ({pid} + 900, '/y', {cmdline}, {NOW} - 50, '{pid}')"
        ));
        host.connect(NOW - 5, pid, "/x", "192.0.2.1");
        host.connect(NOW - 5, pid + 900, "/y", "192.0.2.1");
    }
    host.most_bytes = 8 << 20;
    let seen = collect(Named::SocketEvents, &mut host);
    assert_eq!(seen.len(), 320);
    let kept = |pid: u32| {
        let of_pid = format!(" {pid}:");
        let row = seen.iter().find(|row| row.contains(&of_pid)).unwrap();
        row.rsplit(' ').next().unwrap().len() - 2
    };
    assert_eq!([100, 101, 1_000, 1_001].map(kept), [5, 32 << 10, 5, 512]);
    // What still cannot be had costs the command lines that were asked for with it.
    host.most_bytes = 1 << 20;
    let seen = collect(Named::SocketEvents, &mut host);
    assert_eq!(seen.len(), 320);
    let with_start = seen.iter().filter(|row| !row.contains(":0 ")).count();
    assert_eq!(with_start, 320);
}

#[test]
fn times_that_are_those_of_batches_are_told_by_their_gaps() {
    let mut host = FakeOsquery::new();
    let blur_s = |host: &mut FakeOsquery| {
        let mut collector = Collector::from(Named::SocketEvents);
        collector.collect(SLICE, host, &mut Seen::default()).unwrap();
        collector.blur_s()
    };
    // A clock of 10 s, and a process a second, as osquery tells of them when it has nothing to wait for.
    for second in 1..300 {
        let time = NOW - 300 + second;
        host.execute(&format!(
            "INSERT INTO process_events VALUES ({second}, '/bin/sh', '', {time}, '')"
        ));
        if second % 10 == 0 {
            host.connect(time, 7, "/bin/clock", "198.51.100.1");
        }
    }
    assert_eq!(blur_s(&mut host), None);
    // ... and in batches of 49 s.
    for table in ["process_events", "socket_events"] {
        host.execute(&format!("UPDATE {table} SET time = {NOW} - ({NOW} - time) / 49 * 49"));
    }
    assert_eq!(blur_s(&mut host), Some(49));
}

#[test]
fn connects_that_failed_and_sockets_of_other_kinds_do_not_count() {
    let mut host = FakeOsquery::new();
    for (column, value) in [("status", "failed"), ("status", "in_progress"), ("action", "bind")] {
        host.connect(NOW - 5, 7, "/a", "192.0.2.1");
        host.execute(&format!(
            "UPDATE socket_events SET {column} = '{value}' WHERE eid = (SELECT max(eid) FROM socket_events)"
        ));
    }
    host.connect(NOW - 5, 7, "/a", "");
    host.connect(NOW - 5, 7, "/a", "192.0.2.2");
    host.execute("UPDATE socket_events SET remote_port = 99999 WHERE remote_address = '192.0.2.2'");
    host.execute("DROP TABLE process_events"); // not every osquery has it
    let seen = collect(Named::SocketEvents, &mut host);
    assert_eq!(
        seen,
        [
            "row 4: remote_port '99999' is not a whole number from 0 to 65535",
            "-5000 7:0 /a 192.0.2.1::443  \"\"",
        ]
    );
}

#[test]
fn bpf_socket_events_tell_tcp_from_udp() {
    let mut host = FakeOsquery::new();
    for (exit_code, kind, syscall) in [
        ("0", 2049, "connect"),
        ("18446744073709551501", 1, "connect"),
        ("0", 2, "connect"),
        ("-111", 1, "connect"),
        ("0", 1, "accept"),
    ] {
        host.execute(&format!(
            "INSERT INTO bpf_socket_events (exit_code, type, protocol, syscall, time, pid, path,
                                            remote_address, remote_port)
             VALUES ('{exit_code}', {kind}, 0, '{syscall}', {NOW}, 8, '/b', '203.0.113.9', 53)"
        ));
    }
    let seen = collect(Named::BpfSocketEvents, &mut host);
    let row = |protocol| format!("0 8:0 /b 203.0.113.9::53 {protocol} \"\"");
    assert_eq!(seen, [row("tcp"), row("tcp"), row("udp")]);
}

#[test]
fn sysmon_is_read_through_windows_events() {
    let mut host = FakeOsquery::new();
    let guid = "{b3c285a4-3cda-5dc0-0000-001077270b00}";
    let event = |id: u32, source: &str, data: &str| {
        host.execute(&format!(
            "INSERT INTO windows_events (time, source, eventid, data)
             VALUES ({NOW}, '{source}', {id}, '{data}')"
        ));
    };
    let connection = format!(
        r#"{{"EventData":{{"UtcTime":"2026-09-21 14:00:00.250","ProcessGuid":"{guid}","ProcessId":"77",
            "Image":"C:\\b.exe","Protocol":"tcp","Initiated":"true","SourcePort":"50000",
            "DestinationIp":"203.0.113.5","DestinationHostname":"-","DestinationPort":"8443"}}}}"#
    );
    const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
    event(3, SYSMON, &connection);
    event(3, "Application", &connection);
    event(3, SYSMON, &connection.replace("\"true\"", "\"false\""));
    event(
        1,
        SYSMON,
        &format!(
            r#"{{"EventData":{{"UtcTime":"2019-11-04 14:59:38.1","ProcessGuid":"{guid}","ProcessId":"77",
                "Image":"C:\\b.exe","CommandLine":"b.exe -q"}}}}"#
        ),
    );
    event(22, SYSMON, "{}");
    event(3, SYSMON, "{\"EventData\":");
    let seen = collect(Collector::Sysmon, &mut host);
    assert_eq!(
        seen,
        [
            "-799750 77:132173531780000000 C:\\b.exe 203.0.113.5::8443 tcp \"\"",
            "77:132173531780000000 started \"b.exe -q\"",
            "row 4: not event data in JSON: EOF while parsing a value at column 13",
        ]
    );
}

#[test]
fn both_spellings_of_the_sophos_tables_are_read() {
    let tables = [
        "CREATE TABLE sophos_process_activity (time, subject, sophosPID, pathname, destination,
             destinationPort, dataSent, dataRecv);
         CREATE TABLE sophos_process_journal (time, sophosPID, pathname, cmdLine);",
        "CREATE TABLE sophos_process_activity (time, subject, sophos_pid, path, destination,
             destination_port, data_sent, data_recv);
         CREATE TABLE sophos_process_journal (time, sophos_pid, path, cmd_line);",
    ];
    for schema in tables {
        let mut host = FakeOsquery::new();
        host.execute(schema);
        host.execute(&format!(
            "INSERT INTO sophos_process_activity VALUES
                 ({NOW} - 7, 'Network', '5:{0}', 'C:\\a.exe', '203.0.113.1', 80, 10, 20),
                 ({NOW} - 7, 'FileReads', '5:{0}', 'C:\\a.exe', '', '', '', ''),
                 ({NOW} - 700, 'Network', '5:{0}', 'C:\\a.exe', '203.0.113.1', 80, 10, 20);
             INSERT INTO sophos_process_journal VALUES ({NOW} - 8, '5:{0}', 'C:\\a.exe', 'a.exe -x'),
                 ({NOW} - 8, '6:{0}', 'C:\\b.exe', 'never connects');",
            start_text(0)
        ));
        let seen = collect(Collector::Sql(SqlSource::sophos(0)), &mut host);
        let expected = [
            "-7000 5:NOW C:\\a.exe 203.0.113.1::80  \"\"".to_owned(),
            format!("5:{} started \"a.exe -x\"", start_text(0)),
        ];
        assert_eq!(seen, expected, "{schema}");
    }
}

#[test]
fn a_query_of_the_users_needs_since_and_the_columns_of_the_journal() {
    assert!(SqlSource::new("SELECT 1", 0).is_err());
    let mut host = FakeOsquery::new();
    host.connect(NOW - 3, 4, "/q", "192.0.2.77");
    let query = "SELECT time, path AS pathname, pid, remote_address AS destination,
                        remote_port AS destinationport
                 FROM socket_events WHERE time >= $since;";
    let source = SqlSource::new(query, 0).unwrap();
    let seen = collect(Collector::Sql(source), &mut host);
    assert_eq!(seen, ["-3000 4:0 /q 192.0.2.77::443  \"\""]);
    let lacking = SqlSource::new("SELECT time FROM socket_events WHERE time >= $since", 0).unwrap();
    let failed = Collector::Sql(lacking).collect(SLICE, &mut host, &mut Seen::default());
    let CollectError::Host(error) = failed.unwrap_err();
    assert_eq!(error.0, "the query returns no column 'destination'");
}

#[test]
fn an_open_socket_counts_when_it_was_not_open_before() {
    let mut host = FakeOsquery::new();
    let open = |host: &FakeOsquery, pid: i32, local_port: u16, remote: &str, port: u16| {
        host.execute(&format!(
            "INSERT INTO process_open_sockets (pid, family, protocol, local_address, local_port,
                                               remote_address, remote_port)
             VALUES ({pid}, 2, 6, '10.0.0.5', {local_port}, '{remote}', {port})"
        ));
    };
    host.execute(&format!("INSERT INTO processes VALUES (20, 'm', '/m', 'm -q', {NOW} - 60)"));
    open(&host, 20, 40_000, "203.0.113.4", 443);
    open(&host, 21, 22, "0.0.0.0", 0); // listens
    let mut collector = Collector::from(Named::OpenSockets);
    let mut poll = |host: &mut FakeOsquery| {
        let mut seen = Seen::default();
        collector.collect(SLICE, host, &mut seen).unwrap();
        seen.0
    };
    assert_eq!(poll(&mut host), [""; 0]);
    open(&host, 20, 40_001, "203.0.113.4", 443);
    open(&host, 21, 22, "192.0.2.200", 51_000); // came in
    open(&host, -1, 40_002, "203.0.113.4", 443); // TIME_WAIT
    let row = format!("0 20:{} /m 203.0.113.4::443 tcp \"m -q\"", start_text(-60));
    assert_eq!(poll(&mut host), [row]);
    assert_eq!(poll(&mut host), [""; 0]);
}
