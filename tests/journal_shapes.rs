//! Encodings, shapes and wrappers: the same rows, however their text is written down; and how a
//! journal's format and its times are told.

use beacon_candidates::journal::reader::{Family, Format};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::readers::{connections, gz, read, skipped, try_read};

/// Two connections as NDJSON of each format that has one, with what they are read as.
const NDJSON: [&str; 4] = [
    include_str!("fixtures/journal.json"),
    include_str!("fixtures/zeek_conn.json"),
    include_str!("fixtures/sysmon_nxlog.json"),
    include_str!("fixtures/osquery_results.log"),
];
const CSV: &str = include_str!("fixtures/journal.csv");
const TSV: &str = include_str!("fixtures/zeek_conn.log");

fn values(ndjson: &str) -> Vec<Value> {
    ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn utf_16(text: &str, of_unit: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
    let mark = mark.then_some(0xfeff);
    mark.into_iter().chain(text.encode_utf16()).flat_map(of_unit).collect()
}

#[test]
fn utf_16_is_read_like_utf_8_compressed_or_not() {
    for text in NDJSON.into_iter().chain([CSV, TSV]) {
        let (expected, _) = read(text);
        for of_unit in [u16::to_le_bytes, u16::to_be_bytes] {
            for mark in [true, false] {
                let text = utf_16(&text.replace('\n', "\r\n"), of_unit, mark);
                for bytes in [gz(&text), text] {
                    let (events, _) = read(bytes);
                    // In a quoted value, CRLF stays.
                    let found = events.connections.join(";").replace("\r\n", "\n");
                    assert_eq!(found, expected.connections.join(";"));
                    assert_eq!(events.rejections.len(), expected.rejections.len());
                }
            }
        }
    }
}

#[test]
fn json_objects_are_read_however_they_follow_each_other() {
    for ndjson in NDJSON {
        let expected = connections(ndjson);
        let values = values(ndjson);
        let pretty: Vec<_> =
            values.iter().map(|value| serde_json::to_string_pretty(value).unwrap()).collect();
        let compact: Vec<_> = values.iter().map(Value::to_string).collect();
        let numbered = pretty.iter().enumerate().map(|(n, each)| format!("Record {n}\n{each}\n"));
        for text in [
            serde_json::to_string(&values).unwrap(),
            serde_json::to_string_pretty(&values).unwrap(),
            pretty.join("\n"),
            pretty.join("\r\n"),
            compact.concat(),
            format!("[\n{}\n]\n", compact.join(",\n")),
            numbered.collect(),
            // Behind an ordinary line, too.
            format!("{}\n{}\n", compact[0], compact[1..].concat()),
            format!("\u{feff}{}", compact.join("\r\n\r\n")),
        ] {
            assert_eq!(connections(&text), expected, "{}", &text[..text.len().min(300)]);
        }
    }
}

#[test]
fn records_are_found_in_what_search_engines_and_shippers_put_around_them() {
    for ndjson in NDJSON {
        let expected = connections(ndjson);
        let wrap = |wrapper: &dyn Fn(&Value) -> Value| {
            values(ndjson).iter().map(|value| format!("{}\n", wrapper(value))).collect::<String>()
        };
        for text in [
            wrap(&|record| json!({"_index": "x", "_id": "1", "_source": record})),
            wrap(&|record| json!({"preview": false, "result": {"_raw": record.to_string()}})),
            wrap(
                &|record| json!({"@timestamp": "2026-05-04T08:00:00Z", "message": record.to_string()}),
            ),
            wrap(&|record| json!({"_source": {"message": record.to_string(), "tags": []}})),
            wrap(&|record| json!({"log": record.to_string(), "stream": "stdout"})),
        ] {
            assert_eq!(connections(&text), expected, "{}", &text[..300]);
        }
    }
}

#[test]
fn csv_may_be_separated_by_semicolons_tabs_or_what_it_announces() {
    let expected = ["1777881600000 - [- C:\\Temp\\a;b.exe] 203.0.113.9 443 - - - -"];
    for (first, separator) in [
        ("", ","),
        ("", ";"),
        ("", "\t"),
        ("", "|"),
        ("sep=;\n", ";"),
        ("sep=,\r\n", ","),
        ("\n", ";"),
    ] {
        let rows = "time~destination~destinationport~pathname\n\
                    1777881600~203.0.113.9~443~\"C:\\Temp\\a;b.exe\"\n";
        let text = format!("{first}{}", rows.replace('~', separator));
        assert_eq!(connections(&text), expected, "{text}");
    }
}

#[test]
fn what_tells_the_format_may_stand_anywhere() {
    let filler = json!({"EventID": 4688, "Channel": "Security", "Message": "x".repeat(1000)});
    let sysmon = NDJSON[2].lines().next().unwrap();
    let text = format!("{}{sysmon}\n", format!("{filler}\n").repeat(200));
    let (events, summary) = read(&text);
    assert_eq!((events.connections.len(), summary.format), (1, Format::SysmonJson));
    assert_eq!(skipped(&summary), [("not Sysmon's", 200)]);

    // All of the rows before it are accounted for, whatever the shape.
    let zeek = NDJSON[1].lines().next().unwrap();
    let other = json!({"ts": 1, "name": "scripts/base/init-bare.zeek"}).to_string();
    let text = format!("[{}{zeek}]", format!("{other},").repeat(3_000));
    let (events, summary) = read(&text);
    assert_eq!((events.connections.len(), summary.format), (1, Format::ZeekJson));
    assert_eq!(skipped(&summary), [("of another log of Zeek's", 3_000)]);
}

#[test]
fn a_first_line_that_was_cut_costs_that_line() {
    for (ndjson, family) in
        [(NDJSON[0], Family::Journal), (NDJSON[1], Family::Zeek), (NDJSON[2], Family::Sysmon)]
    {
        let (whole, cut) = (connections(ndjson), &ndjson[40..]);
        for family in [None, Some(family)] {
            let (events, _) = try_read(cut.as_bytes(), family).unwrap();
            assert_eq!(events.connections, whole[1..]);
            assert!(events.rejections[0].starts_with("1: not a"), "{:?}", events.rejections);
        }
    }
    // Of a tab-separated log, up to the next header.
    let (events, _) = read(format!("\t443\ttcp\n\n{TSV}"));
    assert_eq!(events.connections, connections(TSV));
    assert_eq!(events.rejections, ["1: comes before the #fields line"]);
}

#[test]
fn an_object_that_is_broken_off_costs_no_other() {
    let pretty: Vec<_> = values(NDJSON[1])
        .iter()
        .map(|value| serde_json::to_string_pretty(value).unwrap())
        .collect();
    let broken = &pretty[0][..pretty[0].len() / 2];
    let text = format!("{}\n{broken}\n{}\n", pretty[0], pretty[1..].join("\n"));
    let (events, _) = read(&text);
    assert_eq!(events.connections, connections(NDJSON[1]));
    let line = pretty[0].lines().count() + 1;
    assert_eq!(events.rejections, [format!("{line}: begins a JSON object that is broken off")]);
}

#[test]
fn times_are_spelled_in_one_way_a_file() {
    let csv = |times: &[&str]| {
        let rows = times.iter().map(|time| format!("\"{time}\",203.0.113.9,443\n"));
        format!("time,destination,destinationport\n{}", rows.collect::<String>())
    };
    let times = |text: &str| {
        let (events, _) = read(text);
        let time = |row: String| row.split(' ').next().unwrap().to_owned();
        (events.connections.into_iter().map(time).collect::<Vec<_>>(), events.rejections)
    };
    let expected = ["1777881600250", "1777881660250"];
    for spelled in [
        ["1777881600.25", "1777881660.25"],
        ["1777881600250", "1777881660250"],
        ["1777881600250000", "1777881660250000"],
        ["2026-05-04 08:00:00.250", "2026-05-04 08:01:00.250"],
        ["2026-05-04T08:00:00.2500000Z", "2026-05-04T10:01:00.25+02:00"],
        ["04.05.2026 08:00:00.250", "04.05.2026 08:01:00.250"],
    ] {
        assert_eq!(times(&csv(&spelled)), (expected.map(str::to_owned).to_vec(), vec![]));
    }
    let ms = json!({"ts": 1_777_881_600_250_u64, "uid": "C1", "id.orig_h": "10.0.0.5",
        "id.resp_h": "203.0.113.9", "id.resp_p": 443, "proto": "tcp", "conn_state": "SF"});
    assert_eq!(times(&ms.to_string()).0, ["1777881600250"]);

    // One date that has no 13th month tells all of them, even far behind the start of the file.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.csv");
    let ambiguous = vec!["5/4/2026, 8:00:00.250 AM"; 4_000];
    let text = csv(&[&ambiguous[..], &["5/13/2026, 8:00:00 PM"]].concat());
    std::fs::write(&path, &text).unwrap();
    let mut events = crate::readers::Events::default();
    let source = beacon_candidates::journal::reader::Source::open(&path, |raw| raw).unwrap();
    beacon_candidates::journal::reader::read(source, None, &mut events).unwrap();
    assert_eq!((events.connections.len(), events.rejections), (4_001, vec![]));
    assert!(events.connections[0].starts_with("1777881600250 "));

    // Without it, both readings are told, and none is taken.
    let (read, rejections) = times(&csv(&ambiguous[..2]));
    assert_eq!(read, Vec::<String>::new());
    for reading in ["2: time: '5/4/2026, 8:00:00.250 AM' is 2026-05-04T08", " or 2026-04-05T08"] {
        assert!(rejections[0].contains(reading), "{rejections:?}");
    }
    // A number of another unit is not taken for an hour in 1970.
    let (read, rejections) = times(&csv(&["1777881600250", "1777881660250", "1777881720"]));
    assert_eq!((read.len(), rejections.len()), (2, 1));
    assert!(rejections[0].contains("in seconds, or in milliseconds 1970-01-21"), "{rejections:?}");
}

#[test]
fn small_files_do_not_take_gigabytes() {
    // A batch of empty rows, and a quoted value over many long lines.
    let rows = "{},".repeat(1_000_000);
    let line = format!(r#"{{"hostIdentifier":"h","snapshot":[{}{{}}]}}"#, rows);
    let (events, summary) = read(&line);
    assert_eq!((events.connections.len(), events.rejections.len()), (0, 0));
    assert_eq!(skipped(&summary), [("no rows of socket_events or process_events", 1_000_001)]);

    let long = format!("{}\n", "x".repeat(1 << 20)).repeat(20);
    let csv = format!(
        "time,pathname,destination,destinationport\n1,\"{long}2,a,192.0.2.1,1\n3,a,192.0.2.1,1\n"
    );
    let (events, _) = read(&csv);
    assert_eq!(events.connections.len(), 2);
    assert!(events.rejections[0].contains("a quote that is not closed soon"));

    // Of a tree, the text is bounded, unless told otherwise.
    let event = values(NDJSON[2])[0].to_string();
    let padded =
        format!("{}, \"padding\": \"{}\"}}", &event[..event.len() - 1], "x".repeat(5 << 20));
    let (events, _) = read(format!("{event}\n{padded}\n"));
    assert_eq!(events.connections.len(), 1);
    assert!(events.rejections[0].starts_with("2: larger than 4.19 MB"), "{:?}", events.rejections);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the bytes, reading ends, and what is read or refused is told.
    #[test]
    fn no_text_upsets_the_readers(
        start in prop::sample::select(vec![
            "", "{", "[", "[{", "#fields\tts\tid.resp_h\tproto\n", "time;destination;destinationport\n",
            "sep=\t\n", "Record 1\n{", "{\"_source\":{\"message\":\"{", "\u{feff}[{\"columns\":",
            "{\"ts\":1,\"id.resp_h\":\"a\",\"proto\":\"tcp\",\"conn_state\":\"SF\"}\n",
            "{\"hostIdentifier\":\"h\",\"snapshot\":",
        ]),
        text in "[{}\\[\\]\"\\\\:,;a1\n\t /.]{0,80}|\\PC{0,40}",
        family in prop::sample::select(vec![
            None, Some(Family::Journal), Some(Family::Zeek), Some(Family::Sysmon), Some(Family::Osquery),
        ]),
    ) {
        let _ = try_read(format!("{start}{text}").as_bytes(), family);
    }
}
