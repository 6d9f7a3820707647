//! Journal formats: what each reader makes of a journal, as text, one line an event.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::{Cursor, Write};

use beacon_candidates::journal::reader::{
    self, Family, Format, JournalSink, Rejection, Source, Summary,
};
use beacon_candidates::journal::{ConnectionEvent, Process, ProcessEvent};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::evtx_file::{self, evtx};
use crate::support::TestCache;

const ZEEK_TSV: &str = include_str!("fixtures/zeek_conn.log");
const ZEEK_JSON: &str = include_str!("fixtures/zeek_conn.json");
const NXLOG: &str = include_str!("fixtures/sysmon_nxlog.json");
const WINLOGBEAT: &str = include_str!("fixtures/sysmon_winlogbeat.json");
const OSQUERY: &str = include_str!("fixtures/osquery_results.log");

/// What a reader handed over.
#[derive(Debug, Default)]
struct Events {
    /// `time_ms host [process] destination port protocol domain sent received`, '-' for ''.
    connections: Vec<String>,
    /// `host [process] cmdline`.
    processes: Vec<String>,
    /// `line: reason`.
    rejections: Vec<String>,
}

impl JournalSink for Events {
    type Error = Infallible;

    fn connection(&mut self, event: &ConnectionEvent<'_>) -> Result<(), Infallible> {
        self.connections.push(format!(
            "{} {} {} {} {} {} {} {} {}",
            event.time_ms,
            or_dash(event.host),
            process(&event.process),
            event.destination,
            event.port,
            or_dash(event.protocol.as_str()),
            or_dash(event.domain),
            number_or_dash(event.bytes_sent),
            number_or_dash(event.bytes_received),
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
    let sophos_pid = process.sophos_pid().map(|sophos_pid| sophos_pid.to_string());
    let pid = sophos_pid.as_deref().unwrap_or("-");
    let cmdline = process.cmdline;
    format!("[{pid} {}{}{cmdline}]", process.pathname, if cmdline.is_empty() { "" } else { " $ " })
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn number_or_dash(number: Option<impl Display>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

fn try_read(journal: &[u8], family: Option<Family>) -> Result<(Events, Summary), String> {
    let mut events = Events::default();
    let source = Source::from_reader("the.journal", Cursor::new(journal.to_vec())).unwrap();
    let summary =
        reader::read(source, family, &mut events).map_err(|problem| problem.to_string())?;
    assert_eq!(summary.connections, events.connections.len() as u64);
    assert_eq!(summary.processes, events.processes.len() as u64);
    assert_eq!(summary.rejected, events.rejections.len() as u64);
    Ok((events, summary))
}

fn read(journal: impl AsRef<[u8]>) -> (Events, Summary) {
    try_read(journal.as_ref(), None).unwrap()
}

/// The connections of a journal that has nothing wrong in it.
fn connections(journal: impl AsRef<[u8]>) -> Vec<String> {
    let (events, summary) = read(journal);
    assert_eq!((events.rejections, summary.truncated), (vec![], None));
    events.connections
}

fn skipped(summary: &Summary) -> Vec<(&str, u64)> {
    summary.skipped.iter().map(|(reason, count)| (*reason, *count)).collect()
}

fn gz(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 0).unwrap()
}

#[test]
fn every_spelling_of_a_column_in_any_order_is_the_same_in_ndjson_and_csv() {
    let expected = ["1777881600250 - [4242:134223516000000000 C:\\a b.exe] 203.0.113.9 443 tcp \
                     c2.example.net 100 2000"];
    for [time, sophos_pid, path, destination, port, sent, received, subject] in [
        ["time", "sophosPID", "path", "destination", "destinationPort", "dataSent", "dataRecv", ""],
        [
            "time",
            "sophos_pid",
            "pathname",
            "destination",
            "destination_port",
            "data_sent",
            "data_recv",
            "subject",
        ],
        [
            "TIME",
            "SOPHOSPID",
            "PathName",
            "Destination",
            "destinationport",
            "bytes_sent",
            "bytes_received",
            "Subject",
        ],
    ] {
        // An extra column may hold anything; one that is not there has '' for a name.
        let extra = "processName";
        let csv = format!(
            "{received},{extra},{port},domain,{subject},{sent},protocol,{path},{destination},\
             {sophos_pid},{time}\n2000,\"x,\n\"\"y\"\"\",443,c2.example.net,Network,100,TCP,\
             \"C:\\a b.exe\",203.0.113.9,4242:134223516000000000,1777881600.25\n"
        );
        assert_eq!(connections(&csv), expected, "{csv}");
        let json = json!({
            extra: {"deep": [1, null]}, subject: "Network", port: 443, destination: "203.0.113.9",
            time: 1_777_881_600.25, path: "C:\\a b.exe", sophos_pid: "4242:134223516000000000",
            "protocol": 6, "domain": "c2.example.net", sent: 100, received: 2000,
        });
        assert_eq!(connections(json.to_string()), expected, "{json}");
    }
}

#[test]
fn times_and_numbers_may_be_numbers_or_text_and_processes_be_named_in_two_ways() {
    let ndjson = r#"
{"time":"2026-05-04T08:00:00.250Z","pid":"7","process_start_time":"2026-05-04T07:00:00Z","pathname":"/bin/a","destination":"[2001:DB8::9]","destinationport":"443","host":"h1","protocol":"UDP","bytes_sent":"5"}
{"time":"1777881600.25","sophosPID":"7:17778780000000000","pathname":"/bin/a","destination":"2001:db8:0:0::9","destinationport":443.0,"host":"h1","protocol":17,"bytes_sent":5,"bytes_received":null}
{"time":1777881600.25,"pid":7,"process_start_time":134223516000000000,"pathname":"/bin/a","destination":"2001:db8::9","destinationport":443,"host":"h1","protocol":"17","bytes_sent":"5","bytes_received":""}
{"time":1777881600,"pid":7,"pathname":8,"cmdline":"a\nb, c","destination":"C2.Example.net","destinationport":"0"}
{"time":1777881600,"destination":"::ffff:203.0.113.9","destinationport":65535}
"#;
    let same = "1777881600250 h1 [7:134223516000000000 /bin/a] 2001:db8::9 443 udp - 5 -";
    let others = [
        "1777881600000 - [7:0 8 $ a\nb, c] c2.example.net 0 - - - -",
        "1777881600000 - [- ] 203.0.113.9 65535 - - - -",
    ];
    let expected = [same, same, same, others[0], others[1]];
    assert_eq!(connections(ndjson), expected);
    // The same as CSV, which has no numbers, with the byte order mark and line ends of Windows.
    let csv = "\u{feff}time,pid,process_start_time,sophosPID,pathname,destination,destinationport,\
               host,protocol,bytes_sent,bytes_received,cmdline\r\n\
               2026-05-04T08:00:00.250Z,7,2026-05-04T07:00:00Z,,/bin/a,[2001:DB8::9],443,h1,UDP,5,,\r\n\
               1777881600.25,,,7:17778780000000000,/bin/a,2001:db8:0:0::9,443,h1,17,5,,\r\n\
               1777881600.25,7,134223516000000000,,/bin/a,2001:db8::9,443,h1,17,5,,\r\n\
               1777881600,7,,,8,C2.Example.net,0,,,,,\"a\nb, c\"\r\n\
               1777881600,,,,,::ffff:203.0.113.9,65535,,,,,\r\n";
    assert_eq!(connections(csv), expected);
    assert_eq!(connections(format!("\u{feff}{}", ndjson.replace('\n', "\r\n"))), expected);
}

#[test]
fn what_is_no_connection_in_a_sophos_export_is_skipped_and_counted() {
    let export = "subject,time,destination,destinationPort\n\
                  FileOtherReads,1777881600,,\nNetwork,1777881600,203.0.113.9,443\n\
                  Process,1777881600,,\n";
    let (events, summary) = read(export);
    assert_eq!(events.connections.len(), 1);
    assert_eq!((skipped(&summary), summary.rejected), (vec![("not a connection", 2)], 0));
}

#[test]
fn a_rejection_tells_the_line_and_what_is_wrong_with_which_value() {
    let ndjson = r#"{"time":1777881600,"destination":"203.0.113.9","destinationport":443}
{"time":1777881600,"destination":" ","destinationport":443}

{"time":1777881600,"destination":"203.0.113.9","destinationport":70000}
{"time":"yesterday","destination":"203.0.113.9","destinationport":443}
{"time":1777881600,"destination":"203.0.113.9"
{"time":1777881600,"destination":"203.0.113.9","destinationport":443,"sophosPID":"seven"}
["time"]
"#;
    let (events, _) = read(ndjson);
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

    let csv = "time,destination,destinationport,cmdline\n1777881600,203.0.113.9,443,\"two\nlines\"\n\
               1777881600,,443,\n\n1777881600,203.0.113.9,70000,\nyesterday,203.0.113.9,443,\n\
               1777881600,203.0.113.9\n1777881600,203.0.113.9,-1,\n";
    let expected = [
        "4: destination is missing",
        "6: destinationport '70000' is not a whole number from 0 to 65535",
        "7: time: 'yesterday' is not a time",
        "8: has 2 fields where the header has 4",
        "9: destinationport '-1' is not",
    ];
    // Line numbers are those of an editor, whatever ends the lines.
    for csv in [csv.to_owned(), csv.replace('\n', "\r\n")] {
        let (events, _) = read(&csv);
        assert_eq!(events.connections.len(), 1);
        assert_starts(&events.rejections, &expected);
    }
}

fn assert_starts(texts: &[String], starts: &[&str]) {
    let agree = texts.len() == starts.len()
        && texts.iter().zip(starts).all(|(text, start)| text.starts_with(start));
    assert!(agree, "{texts:#?} do not start with {starts:#?}");
}

/// Lines that do not compress to nothing.
fn long_journal(lines: u64, line: impl Fn(u64, u64) -> String) -> String {
    (0..lines).map(|n| line(n, n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
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
    let json = |n, noise| {
        format!(
            "{{\"time\":{},\"destination\":\"203.0.113.9\",\"destinationport\":443,\"cmdline\":\
             \"{noise:x}\"}}\n",
            1_777_881_600 + n
        )
    };
    // A port that is cut is still a number, so a partial line would show.
    let csv = |n, noise| format!("{},{noise:x},203.0.113.9,44300\n", 1_777_881_600 + n);
    // Shorter than what is read ahead to tell the format, and longer.
    for lines in [300, 5_000] {
        for journal in [
            long_journal(lines, json),
            format!("time,cmdline,destination,destinationport\n{}", long_journal(lines, csv)),
        ] {
            let whole = connections(&journal);
            assert_eq!(whole.len() as u64, lines);
            for compressed in [gz(&journal), zst(&journal)] {
                let is_gz = compressed.starts_with(&[0x1f]);
                let (events, summary) = read(&compressed[..compressed.len() * 9 / 10]);
                let count = events.connections.len();
                assert!(count < whole.len() && (count > 0 || !is_gz), "{count} of {lines}");
                assert_eq!(events.connections, whole[..count]);
                assert_eq!(events.rejections, Vec::<String>::new());
                assert!(summary.truncated.is_some());
            }
        }
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
    assert_eq!((skipped(&summary), summary.rejected), (not_outbound.to_vec(), 0));

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
    r"1572879600250 WS1.corp.example [4242:132173531780000000 C:\Users\ann\AppData\Local\Temp\update.exe] 203.0.113.9 443 tcp c2.example.net - -",
    r"1572879610000 WS1.corp.example [4242:132173531780000000 C:\Users\ann\AppData\Local\Temp\update.exe] 2001:db8::5 8443 tcp - - -",
    r"1572879620001 WS1.corp.example [4242:132173531780000000 C:\Users\ann\AppData\Local\Temp\update.exe] 203.0.113.10 80 tcp - - -",
    "1572879640000 WS1.corp.example [4:0 ] 203.0.113.11 53 udp - - -",
];

fn assert_is_sysmon(journal: impl AsRef<[u8]>, format: Format) {
    let (events, summary) = read(journal);
    assert_eq!(summary.format, format);
    assert_eq!(events.connections, SYSMON);
    assert_eq!(
        events.processes,
        [
            r#"WS1.corp.example [4242:132173531780000000 C:\Users\ann\AppData\Local\Temp\update.exe $ update.exe --quiet "C:\a b"]"#
        ]
    );
    let expected =
        [("inbound (Initiated=false)", 1), ("not Sysmon's", 1), ("not a network connection", 1)];
    assert_eq!((skipped(&summary), summary.rejected), (expected.to_vec(), 0), "{events:?}");
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
    assert_eq!(summary.rejected, 0);
}

#[test]
fn osquery_process_rows_name_the_instance_even_after_its_connections() {
    let cache = TestCache::new();
    let imported = cache.import(OSQUERY);
    assert_eq!((imported.counts.added, imported.counts.duplicates), (6, 1));
    let sql = "SELECT host, pathname, sophosPID, cmdline, sum(number_of_connections),
                      max(process_count)
               FROM beacon_candidates WHERE include_all = 1 GROUP BY 1, 2, 3, 4";
    assert_eq!(
        cache.query(1_777_881_900_000, sql).unwrap(),
        [
            [
                "web-01",
                "/opt/agent/bin/agent",
                "701:134223551000000000",
                "agent --daemon",
                "3",
                "1"
            ],
            [
                "web-01",
                "/usr/bin/curl",
                "700:134223551980000000",
                "curl -s https://203.0.113.9/",
                "3",
                "1"
            ],
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
fn a_first_line_longer_than_what_is_read_ahead_does_not_hide_the_format() {
    let row = |n: u32| {
        json!({
            "time": 1_777_881_600 + n, "eid": n, "pid": 7, "path": "/bin/a", "action": "connect",
            "remote_address": "203.0.113.9", "remote_port": 443, "status": "succeeded",
        })
    };
    let rows: Vec<_> = (0..2_000).map(row).collect();
    let line = json!({"hostIdentifier": "web-01", "snapshot": rows, "action": "snapshot"});
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
        for known in ["NDJSON or CSV", "Sophos", "Zeek conn.log", "Sysmon", ".evtx", "osquery"] {
            assert!(error.contains(known), "{known}: {error}");
        }
    }
    // Told what it is, the reader says what is missing.
    let csv = b"time,pathname,destinationport\n1,/bin/a,443\n";
    let error = try_read(csv, Some(Family::Journal)).unwrap_err();
    assert!(error.contains("the.journal") && error.contains("column 'destination'"), "{error}");
}
