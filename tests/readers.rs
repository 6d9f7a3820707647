//! Journal formats: what each reader makes of a journal, as text, one line an event.

use std::convert::Infallible;
use std::io::{Cursor, Write};

use beacon_candidates::journal::reader::{self, Family, Format, Source, Summary};
use beacon_candidates::journal::{ConnectionEvent, JournalSink, Process, ProcessEvent, Rejection};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::evtx_file::{self, evtx};
use crate::support::TestCache;

const OWN_JSON: &str = include_str!("fixtures/journal.json");
const OWN_CSV: &str = include_str!("fixtures/journal.csv");
const ZEEK_TSV: &str = include_str!("fixtures/zeek_conn.log");
const ZEEK_JSON: &str = include_str!("fixtures/zeek_conn.json");
const NXLOG: &str = include_str!("fixtures/sysmon_nxlog.json");
const WINLOGBEAT: &str = include_str!("fixtures/sysmon_winlogbeat.json");
const OSQUERY: &str = include_str!("fixtures/osquery_results.log");
const AUDIT: &str = include_str!("fixtures/audit.log");
/// What `TZ=UTC LC_ALL=C ausearch -if audit.log -i` makes of it.
const AUDIT_INTERPRETED: &str = include_str!("fixtures/audit_interpreted.txt");

/// What a reader handed over.
#[derive(Debug, Default)]
pub struct Events {
    /// `time_ms host [pid:start pathname $ cmdline] destination port protocol domain sent
    /// received`, with '-' for what is not known.
    pub connections: Vec<String>,
    /// `host [pid:start pathname $ cmdline]`.
    pub processes: Vec<String>,
    /// `line: reason`.
    pub rejections: Vec<String>,
}

impl JournalSink for Events {
    type Error = Infallible;

    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Infallible> {
        let ConnectionEvent { time_ms, destination, port, .. } = event;
        let (host, process) = (or_dash(event.host), process(&event.process));
        let (protocol, domain) = (or_dash(event.protocol.as_str()), or_dash(event.domain));
        let [sent, received] = [event.bytes_sent, event.bytes_received]
            .map(|count| count.map_or("-".to_owned(), |count| count.to_string()));
        self.connections.push(format!(
            "{time_ms} {host} {process} {destination} {port} {protocol} {domain} {sent} {received}"
        ));
        Ok(())
    }

    fn process(&mut self, event: &ProcessEvent<'_>) -> Result<(), Infallible> {
        self.processes.push(format!("{} {}", or_dash(event.host), process(&event.process)));
        Ok(())
    }

    fn rejected(&mut self, rejection: Rejection) {
        self.rejections.push(format!("{}: {}", rejection.line, rejection.reason));
    }
}

fn process(process: &Process<'_>) -> String {
    let pid = process.sophos_pid().map_or("-".to_owned(), |pid| pid.to_string());
    let mark = if process.cmdline.is_empty() { "" } else { " $ " };
    format!("[{pid} {}{mark}{}]", process.pathname, process.cmdline)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

pub fn try_read(journal: &[u8], family: Option<Family>) -> Result<(Events, Summary), String> {
    let mut events = Events::default();
    let source = Source::from_reader("the.journal", Cursor::new(journal.to_vec())).unwrap();
    let summary =
        reader::read(source, family, &mut events).map_err(|problem| problem.to_string())?;
    assert_eq!(summary.delivered.connections, events.connections.len() as u64);
    assert_eq!(summary.delivered.processes, events.processes.len() as u64);
    assert_eq!(summary.delivered.rejected, events.rejections.len() as u64);
    Ok((events, summary))
}

pub fn read(journal: impl AsRef<[u8]>) -> (Events, Summary) {
    try_read(journal.as_ref(), None).unwrap()
}

/// The connections of a journal that has nothing wrong in it.
pub fn connections(journal: impl AsRef<[u8]>) -> Vec<String> {
    let (events, summary) = read(journal);
    assert_eq!((events.rejections, summary.truncated), (vec![], None));
    events.connections
}

pub fn skipped(summary: &Summary) -> Vec<(&str, u64)> {
    summary.delivered.skipped.iter().map(|(reason, count)| (*reason, *count)).collect()
}

pub fn gz(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 0).unwrap()
}

#[test]
fn every_spelling_of_a_column_in_any_order_is_the_same_in_ndjson_and_csv() {
    let expected = "1777881600250 - [4242:134223516000000000 C:\\a b.exe] 203.0.113.9 443 tcp \
                    c2.example.net 100 2000";
    for names in [
        "time sophosPID path destination destinationPort dataSent dataRecv subject",
        "time sophos_pid pathname destination destination_port data_sent data_recv subject",
        "TIME SOPHOSPID PathName Destination destinationport bytes_sent Bytes_Received Subject",
    ] {
        let names: Vec<_> = names.split(' ').collect();
        let [time, sophos_pid, path, destination, port, sent, received, subject] = names[..] else {
            panic!("not eight names: {names:?}");
        };
        // Columns of no concern may hold anything.
        let csv = format!(
            "{received},processName,{port},domain,{subject},{sent},protocol,{path},{destination},\
             {sophos_pid},{time}\n2000,\"x,\n\"\"y\"\"\",443,c2.example.net,Network,100,TCP,\
             \"C:\\a b.exe\",203.0.113.9,4242:134223516000000000,1777881600.25\n"
        );
        assert_eq!(connections(&csv), [expected], "{csv}");
        let json = json!({
            "processName": {"deep": [1, null]}, subject: "Network", port: 443, received: 2000,
            time: 1_777_881_600.25, path: "C:\\a b.exe", sophos_pid: "4242:134223516000000000",
            "protocol": 6, "domain": "c2.example.net", sent: 100, destination: "203.0.113.9",
        });
        assert_eq!(connections(json.to_string()), [expected], "{json}");
    }
}

#[test]
fn times_and_numbers_may_be_numbers_or_text_and_processes_be_named_in_two_ways() {
    let same = "1777881600250 h1 [7:134223516000000000 /bin/a] 2001:db8::9 443 udp - 5 -";
    let expected = [
        same,
        same,
        same,
        "1777881600000 - [7:0 8 $ a\nb, c] c2.example.net 0 - - - -",
        "1777881600000 - [- ] 203.0.113.9 65535 - - - -",
    ];
    for journal in [OWN_JSON, OWN_CSV] {
        assert_eq!(connections(journal), expected);
        // As Windows writes text: with a byte order mark, and in a quoted field CRLF stays.
        let windows = format!("\u{feff}{}", journal.replace('\n', "\r\n"));
        let of_windows: Vec<_> =
            connections(windows).iter().map(|text| text.replace("\r\n", "\n")).collect();
        assert_eq!(of_windows, expected);
    }
}

#[test]
fn what_is_no_connection_in_a_sophos_export_is_skipped_and_counted() {
    let export = "subject,time,destination,destinationPort\n\
                  FileOtherReads,1777881600,,\nNetwork,1777881600,203.0.113.9,443\n\
                  Process,1777881600,,\n";
    let (events, summary) = read(export);
    assert_eq!(events.connections.len(), 1);
    assert_eq!((skipped(&summary), summary.delivered.rejected), (vec![("not a connection", 2)], 0));
}

#[test]
fn a_rejection_tells_the_line_and_what_is_wrong_with_which_value() {
    let (events, _) = read(include_str!("fixtures/rejected.json"));
    assert_eq!(events.connections.len(), 1);
    let expected = [
        "2: destination is missing",
        "4: destinationport '70000' is not a whole number from 0 to 65535",
        "5: time: 'yesterday' is not a time",
        "6: not a JSON object",
        "7: sophosPID: 'seven' is not a SophosPID",
        "8: not a JSON object",
    ];
    assert_starts(&events.rejections, &expected);

    let csv = include_str!("fixtures/rejected.csv");
    let expected = [
        "4: destination is missing",
        "5: destinationport '70000' is not a whole number from 0 to 65535",
        "6: time: 'yesterday' is not a time",
        "7: has 2 fields where the header has 4",
        "9: destinationport '-1' is not",
    ];
    // Lines are counted as an editor does, whatever ends them.
    for csv in [csv.to_owned(), csv.replace('\n', "\r\n")] {
        let (events, _) = read(&csv);
        assert_eq!(events.connections.len(), 1);
        assert_starts(&events.rejections, &expected);
    }
}

pub fn assert_starts(texts: &[String], starts: &[&str]) {
    let agree = texts.len() == starts.len()
        && texts.iter().zip(starts).all(|(text, start)| text.starts_with(start));
    assert!(agree, "{texts:#?} do not start with {starts:#?}");
}

#[test]
fn compressed_journals_are_read_as_they_are_and_members_as_one() {
    let expected = connections(ZEEK_TSV);
    assert_eq!(connections(gz(ZEEK_TSV)), expected);
    assert_eq!(connections(zst(ZEEK_TSV)), expected);
    // What `cat a.gz b.gz` makes, cut within a line.
    let (start, end) = ZEEK_TSV.split_at(ZEEK_TSV.len() / 2);
    assert_eq!(connections([gz(start), gz(end)].concat()), expected);
    assert_eq!(connections([zst(start), zst(end)].concat()), expected);
}

#[test]
fn of_a_compressed_journal_that_was_cut_the_whole_lines_before_the_cut_count() {
    // Noise, so that it does not compress to nothing.
    let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let ndjson = |lines| -> String {
        let row =
            |n| json!({"time": n, "path": noise(n), "destination": "a", "destinationport": 1});
        (0..lines).map(|n| format!("{}\n", row(n))).collect()
    };
    let csv = |lines| -> String {
        // A port that is cut is still a number.
        let rows = (0..lines).map(|n| format!("{n},{},a,44300\n", noise(n)));
        std::iter::once("time,path,destination,destinationport\n".to_owned()).chain(rows).collect()
    };
    // Shorter than what is read ahead to tell the format, and longer.
    for (journal, compressed) in [
        (csv(300), gz(csv(300))),
        (csv(9_000), gz(csv(9_000))),
        (csv(9_000), zst(csv(9_000))),
        (ndjson(300), gz(ndjson(300))),
        (ndjson(9_000), gz(ndjson(9_000))),
    ] {
        let whole = connections(&journal);
        let (events, summary) = read(&compressed[..compressed.len() * 9 / 10]);
        let count = events.connections.len();
        assert!(0 < count && count < whole.len(), "{count}");
        assert_eq!(events.connections, whole[..count]);
        assert_eq!(events.rejections, Vec::<String>::new());
        assert!(summary.truncated.is_some());
    }
}

#[test]
fn a_compressed_journal_that_was_cut_before_its_first_line_is_not_called_empty() {
    for compressed in [gz(OWN_CSV), zst(OWN_CSV)] {
        let error = try_read(&compressed[..compressed.len() / 4], None).unwrap_err();
        assert!(error.starts_with("cannot read the.journal: "), "{error}");
    }
}

#[test]
fn zeek_rows_follow_the_latest_fields_line_and_are_the_same_in_json() {
    let (events, summary) = read(ZEEK_TSV);
    assert_eq!(summary.format, Format::ZeekTsv);
    assert_eq!(
        events.connections,
        [
            // S0 and REJ count: a C2 that is down is still called.
            "1777881600250 10.0.0.5 [- ] 203.0.113.9 443 tcp - 1041 4620",
            "1777881660250 10.0.0.5 [- ] 203.0.113.9 443 tcp - 156 0",
            "1777881720250 10.0.0.5 [- ] 203.0.113.9 443 tcp - 52 40",
            "1777881721000 2001:db8::5 [- ] 2001:db8::9 53 udp - 88 128",
            "1777881722000 10.0.0.6 [- ] 203.0.113.9 8080 tcp - - -",
            "1777885200500 10.0.0.7 [- ] 203.0.113.20 993 tcp - 200 300",
        ]
    );
    let not_outbound = [("ICMP", 1), ("originated outside (local_orig=F)", 1)];
    assert_eq!((skipped(&summary), summary.delivered.rejected), (not_outbound.to_vec(), 0));

    let (json, json_summary) = read(ZEEK_JSON);
    assert_eq!(json_summary.format, Format::ZeekJson);
    assert_eq!((json.connections, json.rejections), (events.connections, events.rejections));
    assert_eq!(skipped(&json_summary), not_outbound);
}

#[test]
fn zeek_headers_say_how_fields_are_separated_and_left_out() {
    let log = "#separator \\x7c\n#unset_field|?\n#empty_field|none\n#path|conn\n\
               #fields|ts|uid|proto|id.orig_h|id.resp_h|id.resp_p|orig_ip_bytes|resp_ip_bytes\n\
               1777881600|C1|tcp|10.0.0.5|203.0.113.9|443|?|none\n1777881660|C2|tcp|?|none|443|1|2\n\
               1777881660|C3|tcp\n";
    let (events, _) = read(log);
    assert_eq!(events.connections, ["1777881600000 10.0.0.5 [- ] 203.0.113.9 443 tcp - - -"]);
    assert_starts(&events.rejections, &["7: id.resp_h is missing", "8: has 3 fields where"]);
}

#[test]
fn other_logs_of_zeek_are_refused_with_a_hint() {
    let dns = "#separator \\x09\n#path\tdns\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\t\
               id.resp_p\tproto\tquery\n1777881600\tC1\t10.0.0.5\t50000\t10.0.0.1\t53\tudp\tx.example\n";
    let error = try_read(dns.as_bytes(), None).unwrap_err();
    assert!(error.contains("the.journal") && error.contains("dns.log: give conn.log"), "{error}");
    // Its rows have the addresses of a connection that conn.log has, too.
    let dns = json!({
        "ts": 1_777_881_600.5, "uid": "C1", "id.orig_h": "10.0.0.5", "id.orig_p": 50000,
        "id.resp_h": "10.0.0.1", "id.resp_p": 53, "proto": "udp", "trans_id": 7,
        "query": "x.example", "rcode": 0, "rejected": false,
    });
    let read = try_read(dns.to_string().as_bytes(), None);
    assert!(read.is_err(), "dns.log was read as connections: {read:?}");
}

#[test]
fn a_zeek_uid_counts_once_a_file_and_two_uids_in_one_instant_count_twice() {
    let cache = TestCache::new();
    let rows: Vec<&str> = ZEEK_JSON.lines().collect();
    let other_uid = rows[0].replace("CAaa1", "CZzz1");
    let imported = cache.import([rows[0], rows[0], &other_uid, rows[1], rows[0]].join("\n"));
    assert_eq!((imported.counts.added, imported.counts.duplicates), (3, 2));
    let again = cache.import([&other_uid, rows[0]].join("\n"));
    assert_eq!((again.counts.added, again.counts.duplicates), (0, 2));
}

const SYSMON: [&str; 4] = [
    r"1572879600250 WS1 [4242:132173531780000000 C:\Temp\update.exe] 203.0.113.9 443 tcp c2.example.net - -",
    r"1572879610000 WS1 [4242:132173531780000000 C:\Temp\update.exe] 2001:db8::5 8443 tcp - - -",
    r"1572879620001 WS1 [4242:132173531780000000 C:\Temp\update.exe] 203.0.113.10 80 tcp - - -",
    "1572879640000 WS1 [4:0 ] 203.0.113.11 53 udp - - -",
];

fn assert_is_sysmon(journal: impl AsRef<[u8]>, format: Format) {
    let (events, summary) = read(journal);
    assert_eq!(summary.format, format);
    assert_eq!(events.connections, SYSMON);
    assert_eq!(
        events.processes,
        [r#"WS1 [4242:132173531780000000 C:\Temp\update.exe $ update.exe --quiet "C:\a b"]"#]
    );
    let expected = [
        ("inbound (Initiated is not true)", 1),
        ("not Sysmon's", 1),
        ("not a network connection", 1),
    ];
    assert_eq!(
        (skipped(&summary), summary.delivered.rejected),
        (expected.to_vec(), 0),
        "{events:?}"
    );
}

#[test]
fn sysmon_events_are_the_same_from_nxlog_and_from_winlogbeat() {
    assert_is_sysmon(NXLOG, Format::SysmonJson);
    assert_is_sysmon(WINLOGBEAT, Format::SysmonJson);
}

/// The events of the Winlogbeat log as an event log file.
fn sysmon_evtx() -> Vec<u8> {
    let events: Vec<_> = WINLOGBEAT
        .lines()
        .map(|line| {
            let event = &serde_json::from_str::<Value>(line).unwrap()["winlog"];
            let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
            let data = event["event_data"].as_object().unwrap();
            evtx_file::Event {
                id: text(&event["event_id"]).parse().unwrap(),
                channel: text(&event["channel"]),
                computer: text(&event["computer_name"]),
                data: data.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            }
        })
        .collect();
    evtx(&events)
}

#[test]
fn sysmon_events_are_the_same_from_evtx_compressed_or_not() {
    assert_is_sysmon(sysmon_evtx(), Format::Evtx);
    assert_is_sysmon(gz(sysmon_evtx()), Format::Evtx);
    // As a file on disk, which is read in place.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sysmon.evtx");
    std::fs::write(&path, sysmon_evtx()).unwrap();
    let mut events = Events::default();
    let source = Source::open(&path, |raw| raw).unwrap();
    reader::read(source, None, &mut events).unwrap();
    assert_eq!(events.connections, SYSMON);
}

#[test]
fn an_evtx_file_that_was_cut_says_so() {
    let evtx = sysmon_evtx();
    let read = try_read(&evtx[..evtx.len() / 2], None);
    let is_silent = matches!(&read, Ok((_, summary)) if summary.truncated.is_none());
    assert!(!is_silent, "read as if it were whole: {read:?}");
}

#[test]
fn a_connection_has_the_cmdline_of_the_process_creation_that_sysmon_logged() {
    for journal in [NXLOG.as_bytes().to_vec(), WINLOGBEAT.as_bytes().to_vec(), sysmon_evtx()] {
        let cache = TestCache::new();
        cache.import(journal);
        let sql = "SELECT sophosPID, cmdline FROM beacon_candidates
                   WHERE include_all = 1 AND tuple = '203.0.113.9::443'";
        assert_eq!(
            cache.query(1_572_879_640_000, sql).unwrap(),
            [["4242:132173531780000000", r#"update.exe --quiet "C:\a b""#]]
        );
    }
}

#[test]
fn osquery_results_are_connects_of_any_log_format_that_did_not_fail() {
    let (events, summary) = read(OSQUERY);
    assert_eq!(summary.format, Format::OsqueryLog);
    assert_eq!(
        events.connections,
        [
            "1777881600000 web-01 [700:0 /usr/bin/curl] 203.0.113.9 443 - - - -",
            "1777881660000 web-01 [700:0 /usr/bin/curl] 203.0.113.9 443 - - - -",
            // One eid, twice: for the cache to tell.
            "1777881720000 web-01 [700:0 /usr/bin/curl] 203.0.113.9 443 - - - -",
            "1777881720000 web-01 [700:0 /usr/bin/curl] 203.0.113.9 443 - - - -",
            "1777881780000 web-01 [701:0 /opt/agent/bin/agent] 2001:db8::9 443 - - - -",
            "1777881840000 web-01 [701:0 /opt/agent/bin/agent] 203.0.113.9 443 - - - -",
            "1777881900000 web-01 [701:0 /opt/agent/bin/agent] 203.0.113.9 443 - - - -",
        ]
    );
    assert_eq!(
        events.processes,
        [
            "web-01 [700:134223551980000000 /usr/bin/curl $ curl -s https://203.0.113.9/]",
            "web-01 [701:134223551000000000 /opt/agent/bin/agent $ agent --daemon]",
        ]
    );
    assert_eq!(
        skipped(&summary),
        [
            ("a connect that failed", 1),
            ("no rows of socket_events or process_events", 1),
            ("not a connect", 1),
            ("removed rows", 1),
        ]
    );
    assert_eq!(summary.delivered.rejected, 0);
}

#[test]
fn osquery_process_rows_name_the_instance_even_after_its_connections() {
    let cache = TestCache::new();
    let imported = cache.import(OSQUERY);
    assert_eq!((imported.summary.delivered.connections, imported.rejections), (7, vec![]));
    assert_eq!((imported.counts.added, imported.counts.duplicates), (6, 1));
    // The agent has two destinations.
    let sql = "SELECT DISTINCT host, sophosPID, process_count, cmdline FROM beacon_candidates
               WHERE include_all = 1 ORDER BY sophosPID";
    assert_eq!(
        cache.query(1_777_881_900_000, sql).unwrap(),
        [
            ["web-01", "700:134223551980000000", "1", "curl -s https://203.0.113.9/"],
            ["web-01", "701:134223551000000000", "1", "agent --daemon"],
        ]
    );
}

#[test]
fn a_query_that_joins_the_command_line_to_the_sockets_keeps_it() {
    let line = json!({
        "name": "joined", "hostIdentifier": "web-01", "unixTime": 1_777_881_600, "action": "added",
        "columns": {
            "time": "1777881600", "eid": "1", "pid": "7", "path": "/bin/a", "cmdline": "a -b",
            "remote_address": "203.0.113.9", "remote_port": "443", "status": "succeeded",
        },
    });
    assert_eq!(
        connections(line.to_string()),
        ["1777881600000 web-01 [7:0 /bin/a $ a -b] 203.0.113.9 443 - - - -"]
    );
}

#[test]
fn audit_records_are_calls_to_an_address_however_auditd_or_ausearch_writes_them() {
    let raw: String =
        AUDIT.lines().map(|line| line.split('\u{1d}').next().unwrap().to_owned() + "\n").collect();
    for log in
        [AUDIT.as_bytes(), raw.as_bytes(), &gz(AUDIT), &zst(AUDIT), AUDIT_INTERPRETED.as_bytes()]
    {
        let (events, summary) = read(log);
        assert_eq!((summary.format, events.rejections), (Format::AuditLog, vec![]));
        let mut connections = events.connections;
        connections.sort();
        assert_eq!(
            connections,
            [
                "1777881600250 web-01 [700:0 /usr/bin/curl $ curl -s https://203.0.113.9/] \
                 203.0.113.9 443 - - - -",
                "1777881600254 web-01 [701:0 /opt/a b/agent $ agent --daemon] 2001:db8::9 443 - - - -",
                // Refused, but called.
                "1777881660250 web-01 [701:0 /opt/a b/agent $ agent --daemon] 203.0.113.9 443 - - - -",
                "1777881664000 web-01 [702:0 /usr/sbin/ntpd $ ntpd -n] 203.0.113.123 123 udp - - -",
                "1777881665000 web-01 [702:0 /usr/sbin/ntpd $ ntpd -n] 203.0.113.123 123 udp - - -",
                // An i386 program, and one on ARM.
                "1777881667000 web-01 [703:0 /opt/old $ old] 203.0.113.9 8443 - - - -",
                "1777881668000 web-01 [704:0 /opt/arm] 203.0.113.9 9443 - - - -",
            ]
        );
        assert_eq!(
            events.processes,
            ["web-01 [700:134223552002460000 /usr/bin/curl $ curl -s https://203.0.113.9/]"]
        );
        assert_eq!(
            skipped(&summary),
            [
                ("a call that failed before it went out", 1),
                ("a call without an address", 1),
                ("a further datagram within a second", 1),
                ("a record of something else", 2),
                ("neither a connect nor a send nor an exec", 1),
                ("no IP address (a socket of the machine itself)", 1),
                ("port 0 (a look for a route)", 1),
            ]
        );
    }
}

#[test]
fn an_audit_log_counts_once_whatever_form_of_it_is_imported_again() {
    let cache = TestCache::new();
    let counts = |journal: &str| {
        let counts = cache.import(journal).counts;
        (counts.added, counts.duplicates)
    };
    assert_eq!(counts(AUDIT), (7, 0));
    assert_eq!(counts(AUDIT_INTERPRETED), (0, 7));
    // Rotated in the middle of an event: half of it is no connection.
    let middle = "node=web-01 type=SOCKADDR msg=audit(1777881660.250:44)";
    let (first, second) = AUDIT.split_at(AUDIT.find(middle).unwrap());
    assert_eq!((counts(first), counts(second)), ((0, 2), (0, 4)));
}

#[test]
fn lines_of_an_audit_log_that_are_no_records_are_rejected_by_number() {
    let journal = format!(
        "{}\nMay  4 08:00:00 web-01 audispd: what\ntype=SYSCALL msg=audit(4 mai 2026 08:00:00:1) : a=b\n",
        AUDIT.lines().next().unwrap()
    );
    let (events, _) = read(journal);
    assert_eq!(events.rejections.len(), 2);
    assert!(events.rejections[0].starts_with("2: not an audit record: "), "{events:?}");
    assert!(events.rejections[1].contains("3: the time '4 mai 2026 08:00:00'"), "{events:?}");
}

#[test]
fn a_first_line_longer_than_what_is_read_ahead_does_not_hide_the_format() {
    let row = |n: u32| {
        json!({
            "time": 1_777_881_600 + n, "eid": n, "pid": 7, "path": "/bin/a", "action": "connect",
            "remote_address": "203.0.113.9", "remote_port": 443, "status": "succeeded",
        })
    };
    let rows: Vec<_> = (0..2_000).map(row).collect();
    // In osquery's order: what tells the format comes after the rows.
    let line = json!({"action": "snapshot", "snapshot": rows, "hostIdentifier": "web-01"});
    assert!(line.to_string().len() > 100_000);
    let read = try_read(line.to_string().as_bytes(), None);
    assert_eq!(read.map(|(events, _)| events.connections.len()), Ok(2_000));
}

#[test]
fn what_is_no_journal_is_refused_with_its_name_and_the_kinds_that_are_known() {
    let noise: Vec<u8> =
        (0..4096u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (journal, hint) in [
        (&b""[..], "it is empty"),
        (b"\n\n", "it is empty"),
        (b"[{\"time\":1,\"destination\":\"203.0.113.9\",\"destinationport\":443}]", "jq -c"),
        (b"{\"time\":1}\n", "no line has the fields of a connection"),
        (b"time,pathname,destinationport\n1,/bin/a,443\n", ""),
        (&noise, ""),
    ] {
        let error = try_read(journal, None).unwrap_err();
        assert!(error.contains("the.journal") && error.contains(hint), "{error}");
        for known in
            ["NDJSON or CSV", "Sophos", "Zeek conn.log", "Sysmon", ".evtx", "osquery", "audit"]
        {
            assert!(error.contains(known), "{known}: {error}");
        }
    }
    // Told what it is, the reader says what is missing.
    let csv = b"time,pathname,destinationport\n1,/bin/a,443\n";
    let error = try_read(csv, Some(Family::Journal)).unwrap_err();
    assert!(error.contains("the.journal") && error.contains("column 'destination'"), "{error}");
}

/// The rest of the file went into one value, and nothing was said.
#[test]
fn a_stray_quote_costs_one_line() {
    let mut journal =
        "time,pathname,destination,destinationport\n1,\"/bin/a\nb\",192.0.2.1,1\n".to_owned();
    journal += "2,\"oops,192.0.2.1,2\n";
    for second in 3..200 {
        journal += &format!("{second},/bin/c,192.0.2.1,{second}\n");
    }
    let cache = TestCache::new();
    let imported = cache.import(journal);
    assert_eq!(imported.counts.added, 198);
    let rejected: Vec<_> = imported.rejections.iter().map(|each| each.line).collect();
    assert_eq!(rejected, [4]);
}

#[test]
fn a_name_of_megabytes_is_rejected_and_a_command_line_cut() {
    let long = "x".repeat(1 << 20);
    let line = |column: &str| {
        format!(
            "{{\"time\":1,\"pid\":1,\"destination\":\"192.0.2.1\",\"destinationport\":1,\"{column}\":\"{long}\"}}\n"
        )
    };
    let cache = TestCache::new();
    let imported = cache.import(line("pathname") + &line("cmdline"));
    assert_eq!((imported.counts.added, imported.rejections.len()), (1, 1));
    assert!(imported.rejections[0].reason.contains("a name longer than 32 KiB"));
    let sql = "SELECT length(cmdline) FROM beacon_candidates WHERE include_all = 1 AND since = 0";
    assert_eq!(cache.value(2000, sql), (32 << 10).to_string());
}
