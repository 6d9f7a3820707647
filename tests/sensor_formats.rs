//! Journals of other products: the fields of each, which of its rows are connections, and a mapping
//! of the user's. What the fixtures look like is from the products' documentation and from public
//! samples, which docs/journal-formats.md names; the values are made up.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use beacon_candidates::journal::reader::{Family, Format};
use beacon_candidates::journal::records::Layout;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cli::{SAMPLE, failure, folder, path, quiet, run, stderr};
use crate::documents::ROOT;
use crate::evtx_file::{self, evtx};
use crate::readers::{assert_starts, connections, read, skipped, try_read};
use crate::support::TestCache;

/// The product that a journal was read as.
fn product(format: Format) -> &'static str {
    match format {
        Format::RecordsJson(layout) | Format::RecordsCsv(layout) | Format::Answer(layout) => {
            layout.name()
        }
        other => panic!("read as {other}"),
    }
}

fn lines(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect()
}

/// `object` with other values at these JSON pointers.
fn but(object: &Value, changes: &[(&str, Value)]) -> Value {
    let mut changed = object.clone();
    for (pointer, value) in changes {
        match changed.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, name) = pointer.rsplit_once('/').unwrap();
                let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                parent.insert(name.to_owned(), value.clone());
            }
        }
    }
    changed
}

fn defender() -> Value {
    json!({
        "Timestamp": "2026-05-04T08:00:00.2509871Z", "DeviceId": "58faa2ef39046f86543ec7fb8849dfd54dd014fa",
        "DeviceName": "ws1.corp.example", "ActionType": "ConnectionSuccess", "RemoteIP": "203.0.113.9",
        "RemotePort": 443, "RemoteUrl": "https://C2.example.net/poll", "LocalIP": "10.0.0.5",
        "LocalPort": 50001, "Protocol": "Tcp", "InitiatingProcessFileName": "Update.exe",
        "InitiatingProcessFolderPath": "c:\\users\\public\\update.exe", "InitiatingProcessId": 4242,
        "InitiatingProcessCommandLine": "\"Update.exe\" -q", "AdditionalFields": null,
        "InitiatingProcessCreationTime": "2026-05-04T07:00:00.5447066Z", "ReportId": 7251,
    })
}

const DEFENDER: &str = "1777881600250 ws1.corp.example [4242:134223516005440000 \
    c:\\users\\public\\update.exe $ \"Update.exe\" -q] 203.0.113.9 443 tcp c2.example.net - -";

#[test]
fn defender_connections_are_those_with_an_outcome() {
    let (events, summary) = read(lines(&[
        defender(),
        but(&defender(), &[("/ActionType", json!("ConnectionFailed"))]),
        but(&defender(), &[("/ActionType", json!("ConnectionAttempt"))]),
        but(&defender(), &[("/ActionType", json!("InboundConnectionAccepted"))]),
        but(&defender(), &[("/ActionType", json!("ConnectionSuccessAggregatedReport"))]),
        but(&defender(), &[("/ActionType", json!("ListeningConnectionCreated"))]),
        but(&defender(), &[("/RemoteIP", json!(""))]),
        but(&defender(), &[("/Timestamp", json!("yesterday"))]),
    ]));
    assert_eq!(product(summary.format), "Defender DeviceNetworkEvents");
    assert_eq!(events.connections, [DEFENDER, DEFENDER]);
    assert_eq!(
        skipped(&summary),
        [("no remote address", 1), ("not an outbound connection with its outcome", 4)]
    );
    assert_starts(&events.rejections, &["8: time 'yesterday' does not fit"]);
}

#[test]
fn defender_rows_are_the_same_from_the_portal_the_streaming_api_and_sentinel() {
    // The streaming API's own time is when the event came to it.
    let streamed = json!({
        "time": "2026-05-04T08:05:00Z", "tenantId": "t", "operationName": "Publish",
        "category": "AdvancedHunting-DeviceNetworkEvents", "properties": defender(),
    });
    let hub = json!({"body": streamed.clone(), "x-opt-sequence-number": 6632});
    assert_eq!(connections(lines(&[streamed, hub])), [DEFENDER, DEFENDER]);

    let mut sentinel = defender();
    let time = sentinel.as_object_mut().unwrap().remove("Timestamp").unwrap();
    sentinel["TimeGenerated"] = time;
    sentinel["Type"] = json!("DeviceNetworkEvents");
    assert_eq!(connections(lines(&[sentinel])), [DEFENDER]);

    // Sentinel's portal exports CSV with its own spelling of times.
    let csv = "\"TimeGenerated [UTC]\",DeviceName,ActionType,RemoteIP,RemotePort,RemoteUrl,Protocol,\
               InitiatingProcessFolderPath,InitiatingProcessFileName,InitiatingProcessId,\
               InitiatingProcessCommandLine,\"InitiatingProcessCreationTime [UTC]\"\n\
               \"5/4/2026, 8:00:00.250 AM\",ws1.corp.example,ConnectionSuccess,203.0.113.9,443,\
               https://C2.example.net/poll,Tcp,c:\\users\\public\\update.exe,Update.exe,4242,\
               \"\"\"Update.exe\"\" -q\",\"5/4/2026, 7:00:00.544 AM\"\n";
    assert_eq!(connections(csv), [DEFENDER]);
}

#[test]
fn records_are_found_in_what_an_api_answers() {
    let other = but(&defender(), &[("/ActionType", json!("ListeningConnectionCreated"))]);
    let names: Vec<_> = defender().as_object().unwrap().keys().cloned().collect();
    let columns: Vec<_> =
        names.iter().map(|name| json!({"name": name, "type": "string"})).collect();
    let values =
        |row: &Value| Value::from(row.as_object().unwrap().values().cloned().collect::<Vec<_>>());
    for answer in [
        // Defender's own API, and Graph's.
        json!({
            "Stats": {"ExecutionTime": 0.1}, "Schema": [{"Name": "Timestamp", "Type": "DateTime"}],
            "Results": [defender(), other.clone()],
        }),
        json!({"@odata.context": "x", "schema": [{"name": "a"}], "results": [other.clone(), defender()]}),
        // Log Analytics.
        json!({"tables": [{
            "name": "PrimaryResult", "columns": columns, "rows": [values(&defender()), values(&other)],
        }]}),
        // The streaming API, in one blob.
        json!({"records": [{"time": "2026-05-04T08:05:00Z", "properties": defender()}, {"properties": other}]}),
    ] {
        for text in [answer.to_string(), serde_json::to_string_pretty(&answer).unwrap()] {
            let (events, summary) = read(&text);
            assert_eq!(product(summary.format), "Defender DeviceNetworkEvents");
            assert_eq!(
                (events.connections, events.rejections),
                (vec![DEFENDER.to_owned()], vec![]),
                "{text}"
            );
            assert_eq!(summary.delivered.skipped.values().sum::<u64>(), 1);
        }
    }
    // Elasticsearch, and a mapping of the user's.
    let hits = json!({"took": 1, "hits": {"total": {"value": 1}, "hits": [{"_id": "1", "_source": endpoint()}]}});
    assert_eq!(connections(hits.to_string()).len(), 1);
    let answer = json!({"value": [{"when": 1_777_881_600, "to": "203.0.113.9", "port": 443}]});
    let columns = mapping("time=when,destination=to,destinationport=port", None);
    let (events, _) = try_read(answer.to_string().as_bytes(), columns).unwrap();
    assert_eq!(events.connections, ["1777881600000 - [- ] 203.0.113.9 443 - - - -"]);
}

#[test]
fn an_answer_that_was_cut_keeps_the_records_before_the_cut() {
    let answer = json!({"Results": vec![defender(); 100]}).to_string();
    let (events, summary) = read(&answer[..answer.len() / 2]);
    assert!((40..50).contains(&events.connections.len()), "{}", events.connections.len());
    assert!(summary.truncated.is_some());
    let short_row = json!({"tables": [{
        "columns": [{"name": "ActionType"}, {"name": "RemoteIP"}, {"name": "RemotePort"},
                    {"name": "InitiatingProcessFileName"}],
        "rows": [["ConnectionSuccess", "203.0.113.9"]],
    }]});
    let (events, _) = read(short_row.to_string());
    assert_starts(&events.rejections, &["1: has 2 values where the table has 4 columns"]);
}

#[test]
fn defender_may_know_only_the_folder_and_no_start() {
    let row = but(
        &defender(),
        &[
            ("/InitiatingProcessFolderPath", json!("C:\\Users\\Public")),
            ("/InitiatingProcessCreationTime", json!("0001-01-01T00:00:00Z")),
            ("/RemoteUrl", json!("203.0.113.9")),
            ("/DeviceName", json!("")),
        ],
    );
    assert_eq!(
        connections(lines(&[row])),
        ["1777881600250 58faa2ef39046f86543ec7fb8849dfd54dd014fa [4242:0 \
          C:\\Users\\Public\\Update.exe $ \"Update.exe\" -q] 203.0.113.9 443 tcp - - -"]
    );
}

#[test]
fn wire_data_is_outbound_sessions_by_their_start() {
    let row = json!({
        "TimeGenerated": "2026-05-04T08:01:00Z", "SessionStartTime": "2026-05-04T08:00:00.25Z",
        "Computer": "srv1", "Direction": "Outbound", "RemoteIP": "203.0.113.9",
        "RemotePortNumber": 443, "ProtocolName": "TCP", "ProcessID": 700, "SentBytes": 10,
        "ProcessName": "C:\\Temp\\a.exe", "ReceivedBytes": 20, "SessionID": "s1",
    });
    let (events, summary) =
        read(lines(&[row.clone(), but(&row, &[("/Direction", json!("Inbound"))])]));
    assert_eq!(product(summary.format), "Sentinel WireData");
    assert_eq!(
        events.connections,
        ["1777881600250 srv1 [700:0 C:\\Temp\\a.exe] 203.0.113.9 443 tcp - 10 20"]
    );
    assert_eq!(skipped(&summary), [("inbound (Direction is not Outbound)", 1)]);
}

#[test]
fn vm_connection_is_a_minute_in_which_connections_were_made() {
    let row = json!({
        "TimeGenerated": "2026-05-04T08:01:00.123Z", "Computer": "srv1", "Direction": "outbound",
        "ProcessName": "curl", "DestinationIp": "203.0.113.9", "DestinationPort": 443,
        "Protocol": "tcp", "BytesSent": 10, "BytesReceived": 20, "LinksEstablished": 3,
        "LinksLive": 0, "RemoteDnsQuestions": "[\"c2.example.net\"]",
    });
    let (events, summary) = read(lines(&[
        row.clone(),
        but(&row, &[("/LinksEstablished", json!(0))]),
        but(&row, &[("/Direction", json!("inbound"))]),
    ]));
    assert_eq!(product(summary.format), "Sentinel VMConnection");
    assert_eq!(
        events.connections,
        ["1777881660123 srv1 [- curl] 203.0.113.9 443 tcp c2.example.net 10 20"]
    );
    assert_eq!(
        skipped(&summary),
        [
            ("inbound (Direction is not outbound)", 1),
            ("no connection was made in this minute (LinksEstablished is 0)", 1),
        ]
    );
}

fn flow() -> Value {
    json!({
        "timestamp": "2026-05-04T08:05:14.000538+0000", "flow_id": 1357371404246463_i64,
        "in_iface": "eth0", "event_type": "flow", "src_ip": "10.0.0.5", "src_port": 46289,
        "dest_ip": "203.0.113.9", "dest_port": 443, "proto": "TCP", "app_proto": "tls",
        "flow": {
            "pkts_toserver": 1, "pkts_toclient": 1, "bytes_toserver": 87, "bytes_toclient": 142,
            "start": "2026-05-04T08:00:00.250271+0000", "end": "2026-05-04T08:00:00.385657+0000",
            "age": 0, "state": "closed", "reason": "timeout", "alerted": false,
        },
    })
}

#[test]
fn suricata_flows_have_the_time_of_their_start_and_others_are_skipped() {
    let (events, summary) = read(lines(&[
        json!({"timestamp": "2026-05-04T07:59:00.0+0000", "event_type": "stats", "stats": {"uptime": 1}}),
        flow(),
        // In another zone it is the same instant.
        but(&flow(), &[("/flow/start", json!("2026-05-04T10:00:00.250271+0200"))]),
        but(&flow(), &[("/event_type", json!("tls"))]),
        but(&flow(), &[("/proto", json!("ICMP"))]),
        but(&flow(), &[("/src_ip", json!("203.0.113.9")), ("/dest_ip", json!("10.0.0.5"))]),
    ]));
    assert_eq!(product(summary.format), "Suricata eve.json");
    let expected = "1777881600250 10.0.0.5 [- ] 203.0.113.9 443 tcp - 87 142";
    assert_eq!((events.connections, events.rejections), (vec![expected.to_owned(); 2], vec![]));
    assert_eq!(
        skipped(&summary),
        [
            ("inbound (from a public address to a private one)", 1),
            ("neither TCP nor UDP", 1),
            ("not a flow", 2),
        ]
    );
}

fn endpoint() -> Value {
    json!({
        "@timestamp": "2026-05-04T08:00:00.2507809Z", "ecs": {"version": "8.10.0"},
        "agent": {"type": "endpoint"}, "host": {"name": "ws1", "ip": ["10.0.0.5", "::1"]},
        "event": {
            "action": "connection_attempted", "category": ["network"], "type": ["start"],
            "dataset": "endpoint.events.network", "id": "a",
        },
        "process": {"name": "a.exe", "pid": 580, "executable": "C:\\Temp\\a.exe", "entity_id": "x"},
        "destination": {"ip": "203.0.113.9", "port": 443, "address": "203.0.113.9"},
        "source": {"ip": "10.0.0.5", "port": 50001},
        "network": {"transport": "tcp", "direction": "egress"},
    })
}

#[test]
fn elastic_defend_tells_of_connections_and_of_the_processes_behind_them() {
    let action = |action: &str| but(&endpoint(), &[("/event/action", json!(action))]);
    let (events, summary) = read(lines(&[
        json!({
            "@timestamp": "2026-05-04T07:00:00.5Z", "ecs": {"version": "8.10.0"},
            "host": {"name": "ws1"}, "event": {"category": ["process"], "type": ["start"]},
            "process": {
                "pid": 580, "executable": "C:\\Temp\\a.exe", "command_line": "a.exe -q",
                "start": "2026-05-04T07:00:00.5Z",
            },
        }),
        json!({
            "@timestamp": "2026-05-04T07:30:00Z", "ecs": {"version": "8.10.0"},
            "host": {"name": "ws1"}, "event": {"category": ["process"], "type": ["start"]},
            "process": {"pid": 581, "executable": "C:\\Temp\\b.exe", "command_line": "b.exe"},
        }),
        endpoint(),
        action("disconnect_received"),
        action("connection_accepted"),
        but(&endpoint(), &[("/network/direction", json!("ingress"))]),
        json!({"@timestamp": "2026-05-04T08:00:00Z", "ecs": {"version": "8"}, "event": {"kind": "event"}}),
    ]));
    assert_eq!(product(summary.format), "Elastic ECS");
    assert_eq!(
        events.connections,
        ["1777881600250 ws1 [580:0 C:\\Temp\\a.exe] 203.0.113.9 443 tcp - - -"]
    );
    assert_eq!(
        events.processes,
        [
            "ws1 [580:134223516005000000 C:\\Temp\\a.exe $ a.exe -q]",
            "ws1 [581:134223534000000000 C:\\Temp\\b.exe $ b.exe]",
        ]
    );
    assert_eq!(
        skipped(&summary),
        [
            ("inbound (network.direction)", 1),
            ("no destination", 1),
            ("not the start of a connection (event.action)", 2),
        ]
    );
}

#[test]
fn packetbeat_flows_are_those_that_ended_and_are_of_their_source() {
    let flow = json!({
        "@timestamp": "2026-05-04T08:00:30.005Z", "ecs": {"version": "8.11.0"}, "type": "flow",
        "agent": {"type": "packetbeat"}, "host": {"name": "sensor"},
        "event": {
            "action": "network_flow", "category": ["network"], "type": ["connection", "end"],
            "start": "2026-05-04T08:00:00.250Z", "end": "2026-05-04T08:00:05Z",
        },
        "flow": {"final": true, "id": "QAT8"}, "network": {"transport": "tcp"},
        "source": {"ip": "10.0.0.5", "port": 51320, "bytes": 88},
        "destination": {"ip": "203.0.113.9", "port": 443, "bytes": 64},
    });
    let (events, summary) = read(lines(&[
        but(&flow, &[("/flow/final", json!(false))]),
        flow.clone(),
        but(&flow, &[("/type", json!("tls"))]),
        but(&flow, &[("/process", json!({"pid": 7, "executable": "/bin/a"}))]),
    ]));
    assert_eq!(
        events.connections,
        [
            "1777881600250 10.0.0.5 [- ] 203.0.113.9 443 tcp - 88 64",
            "1777881600250 sensor [7:0 /bin/a] 203.0.113.9 443 tcp - 88 64",
        ]
    );
    assert_eq!(
        skipped(&summary),
        [
            ("a flow that goes on (flow.final is false)", 1),
            ("a transaction within a connection (type is not flow)", 1),
        ]
    );
}

#[test]
fn elastic_documents_are_the_same_dumped_with_dots_in_names_and_with_lists_of_one() {
    let expected = connections(lines(&[endpoint()]));
    let dumped = json!({"_index": "logs", "_id": "1", "_score": 1, "_source": endpoint()});
    assert_eq!(connections(lines(&[dumped])), expected);
    let dotted = json!({
        "@timestamp": ["2026-05-04T08:00:00.2507809Z"], "event.action": ["connection_attempted"],
        "event.category": ["network"], "process.executable": ["C:\\Temp\\a.exe"],
        "process.pid": [580], "destination.ip": ["203.0.113.9"], "destination.port": [443],
        "network.transport": ["tcp"], "host.name": ["ws1"], "ecs.version": ["8.10.0"],
    });
    let hit = json!({"_index": "logs", "fields": dotted.clone()});
    assert_eq!(connections(lines(&[dotted, hit])), [expected[0].clone(), expected[0].clone()]);
    // Kibana's CSV report.
    let csv = "\"@timestamp\",\"host.name\",\"event.action\",\"process.executable\",\"process.pid\",\
               \"destination.ip\",\"destination.port\",\"network.transport\"\n\
               \"2026-05-04T08:00:00.250Z\",ws1,\"connection_attempted\",\"C:\\Temp\\a.exe\",580,\
               \"203.0.113.9\",443,tcp\n";
    assert_eq!(connections(csv), expected);
}

fn windows_5156() -> Value {
    json!({"Event": {
        "System": {
            "Provider_attributes": {"Name": "Microsoft-Windows-Security-Auditing"}, "EventID": 5156,
            "TimeCreated_attributes": {"SystemTime": "2026-05-04T08:00:00.250123Z"},
            "EventRecordID": 77, "Channel": "Security", "Computer": "WS1",
        },
        "EventData": {
            "ProcessID": 3688, "Application": "\\device\\harddiskvolume2\\temp\\a.exe",
            "Direction": "%%14593", "SourceAddress": "10.0.0.5", "SourcePort": "49968",
            "DestAddress": "203.0.113.9", "DestPort": "443", "Protocol": 6, "LayerName": "%%14611",
        },
    }})
}

#[test]
fn windows_5156_is_the_same_as_a_tree_from_winlogbeat_and_from_nxlog() {
    let expected = "1777881600250 WS1 [3688:0 \\device\\harddiskvolume2\\temp\\a.exe] 203.0.113.9 443 tcp - - -";
    let at = |pointer: &str, value: Value| but(&windows_5156(), &[(pointer, value)]);
    let (events, summary) = read(lines(&[
        windows_5156(),
        at("/Event/System/EventID", json!({"#text": 5156, "#attributes": {"Qualifiers": 0}})),
        at("/Event/EventData/Direction", json!("%%14592")),
        at("/Event/System/EventID", json!(5158)),
        at("/Event/EventData/Protocol", json!(1)),
    ]));
    assert_eq!(summary.format, Format::WindowsJson);
    assert_eq!(events.connections, [expected, expected]);
    assert_eq!(
        skipped(&summary),
        [
            ("another event than 5156", 1),
            ("inbound (Direction is not %%14593)", 1),
            ("neither TCP nor UDP", 1),
        ]
    );
    let data = &windows_5156()["Event"]["EventData"];
    let winlogbeat = json!({
        "@timestamp": "2026-05-04T08:00:00.250Z", "event": {"code": "5156"},
        "winlog": {
            "channel": "Security", "computer_name": "WS1", "event_id": "5156", "record_id": "77",
            "event_data": data,
        },
    });
    let mut nxlog = data.clone();
    for (name, value) in [
        ("EventTime", json!("2026-05-04 08:00:00.250")),
        ("Hostname", json!("WS1")),
        ("Channel", json!("Security")),
        ("EventID", json!(5156)),
        ("RecordNumber", json!(77)),
    ] {
        nxlog[name] = value;
    }
    assert_eq!(connections(lines(&[winlogbeat])), [expected]);
    assert_eq!(connections(lines(&[nxlog])), [expected]);
}

#[test]
fn windows_5156_is_read_from_evtx_beside_sysmon() {
    let event = |id, channel: &str, data: &[(&str, &str)]| evtx_file::Event {
        id,
        channel: channel.to_owned(),
        computer: "WS1".to_owned(),
        data: data.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    let (events, summary) = read(evtx(&[
        event(
            5156,
            "Security",
            &[
                ("ProcessID", "3688"),
                ("Application", r"\device\harddiskvolume2\temp\a.exe"),
                ("Direction", "%%14593"),
                ("DestAddress", "203.0.113.9"),
                ("DestPort", "443"),
                ("Protocol", "6"),
            ],
        ),
        event(4624, "Security", &[("LogonType", "3")]),
        event(
            3,
            "Microsoft-Windows-Sysmon/Operational",
            &[
                ("UtcTime", "2026-05-04 08:00:00.250"),
                ("Image", r"C:\Temp\b.exe"),
                ("Initiated", "true"),
                ("DestinationIp", "203.0.113.10"),
                ("DestinationPort", "80"),
            ],
        ),
    ]));
    assert_eq!((summary.format, events.rejections), (Format::Evtx, vec![]));
    assert_eq!(
        events.connections,
        [
            r"1777881600250 WS1 [3688:0 \device\harddiskvolume2\temp\a.exe] 203.0.113.9 443 tcp - - -",
            r"1777881600250 WS1 [- C:\Temp\b.exe] 203.0.113.10 80 - - - -",
        ]
    );
    assert_eq!(skipped(&summary), [("not Sysmon's", 1)]);
}

/// Event 3, or another, as Windows writes it.
fn sysmon_xml(id: u32, data: &[(&str, &str)]) -> String {
    let data: String =
        data.iter().map(|(name, value)| format!("<Data Name='{name}'>{value}</Data>")).collect();
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='Microsoft-Windows-Sysmon' Guid='{{5770385F}}'/><EventID>{id}</EventID>\
         <TimeCreated SystemTime='2026-05-04T08:00:01.0Z'/><EventRecordID>7</EventRecordID>\
         <Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>WS1</Computer>\
         <Security UserID='S-1-5-18'/></System><EventData>{data}</EventData></Event>"
    )
}

fn xml_connection(time: &str, initiated: &str) -> String {
    let data = [
        ("RuleName", "-"),
        ("UtcTime", time),
        ("ProcessGuid", "{b3c285a4-3cda-5dc0-0000-001077270b00}"),
        ("ProcessId", "4242"),
        ("Image", "C:\\R&amp;D\\a&#98;.exe"),
        ("Protocol", "tcp"),
        ("Initiated", initiated),
        ("SourcePort", "50001"),
        ("DestinationIp", "203.0.113.9"),
        ("DestinationPort", "443"),
    ];
    sysmon_xml(3, &data)
}

const XML: &str =
    r"1777881600250 WS1 [4242:132173531780000000 C:\R&D\ab.exe] 203.0.113.9 443 tcp - - -";

#[test]
fn sysmon_xml_is_read_event_by_event_whatever_stands_between() {
    let event = xml_connection("2026-05-04 08:00:00.250", "true");
    let inbound = xml_connection("2026-05-04 08:00:00.250", "false");
    let process = sysmon_xml(
        1,
        &[
            ("UtcTime", "2019-11-04 14:59:38.1"),
            ("ProcessGuid", "{b3c285a4-3cda-5dc0-0000-001077270b00}"),
            ("ProcessId", "4242"),
            ("Image", "C:\\R&amp;D\\ab.exe"),
            ("CommandLine", "ab.exe &quot;a &lt; b&quot;"),
        ],
    );
    // wevtutil writes one after the other, the event viewer within an element, and people indent.
    let indented = event.replace("><", ">\r\n  <");
    for journal in [
        format!("{event}\n{process}\n{inbound}\n"),
        format!("{event}{process}{inbound}"),
        format!("<?xml version=\"1.0\"?>\n<Events>{indented}{process}\n{inbound}</Events>\n"),
        format!(
            "May  4 08:00:01 ws1 sysmon[7]: {event}\nMay  4 08:00:01 ws1 cron: x\n{process}\n{inbound}"
        ),
    ] {
        let (events, summary) = read(&journal);
        assert_eq!(summary.format, Format::WindowsXml);
        let told = try_read(journal.as_bytes(), Some(Family::Sysmon)).unwrap().0;
        assert_eq!(told.connections, events.connections);
        assert_eq!(
            (events.connections, events.rejections),
            (vec![XML.to_owned()], vec![]),
            "{journal}"
        );
        assert_eq!(
            events.processes,
            [r#"WS1 [4242:132173531780000000 C:\R&D\ab.exe $ ab.exe "a < b"]"#]
        );
        assert_eq!(skipped(&summary).len(), 1, "{summary:?}");
    }
}

#[test]
fn splunk_exports_sysmon_xml_as_raw_events_in_csv_and_json() {
    let event = xml_connection("2026-05-04 08:00:00.250", "true");
    let pretty = event.replace("><", ">\n<").replace('\'', "\"");
    let csv =
        format!("_time,_raw,host\n1,\"{}\",ws1\n2,nothing,ws1\n", pretty.replace('"', "\"\""));
    let (events, summary) = read(&csv);
    assert_eq!(try_read(csv.as_bytes(), Some(Family::Sysmon)).unwrap().0.connections, [XML]);
    assert_eq!((summary.format, events.connections), (Format::WindowsXmlCsv, vec![XML.to_owned()]));
    assert_eq!((skipped(&summary), events.rejections), (vec![("not Sysmon's", 1)], vec![]));
    let cut = format!("_raw\n\"{event}\"\n\"{}\"\n", &event[..event.len() - 60]);
    assert_starts(&read(cut).0.rejections, &["3: not an event in XML: "]);
    let raw = json!({"preview": false, "result": {"_raw": event, "host": "ws1"}});
    let message = json!({"@timestamp": "2026-05-04T08:00:01Z", "message": pretty});
    assert_eq!(connections(lines(&[raw, message])), [XML, XML]);
}

#[test]
fn an_xml_event_that_was_cut_costs_no_other() {
    let event = xml_connection("2026-05-04 08:00:00.250", "true");
    let cut = &event[..event.len() / 2];
    let endless = format!("<Event>{}", "x".repeat(2 << 20));
    let broken = "<Event><System></Data></Event>";
    let (events, _) =
        read(format!("{event}\n{cut}\n{event}\n{cut}{event}\n{endless}\n{event}\n{broken}\n{cut}"));
    assert_eq!(events.connections, [XML; 4]);
    assert_starts(
        &events.rejections,
        &[
            "2: an event without an end",
            "4: an event without an end",
            "5: an event longer than 1 MiB",
            "7: not an event in XML: ",
            "8: an event without an end",
        ],
    );
}

#[test]
fn velociraptor_rows_of_sysmon_and_of_security_are_trees_without_a_root() {
    let data = json!({
        "UtcTime": "2026-05-04 08:00:00.250", "ProcessGuid": "{b3c285a4-3cda-5dc0-0000-001077270b00}",
        "ProcessId": 4242, "Image": "C:\\Temp\\a.exe", "Protocol": "tcp", "Initiated": "true",
        "DestinationIp": "203.0.113.9", "DestinationPort": "443",
    });
    let forwarded = json!({
        "ID": 3, "Timestamp": "2026-05-04T08:00:01Z", "EventData": data, "ClientId": "C.1",
    });
    let parsed = json!({
        "System": {
            "Provider": {"Name": "Microsoft-Windows-Sysmon"}, "EventID": {"Value": 3}, "EventRecordID": 9,
            "TimeCreated": {"SystemTime": 1_777_881_601.5},
            "Channel": "Microsoft-Windows-Sysmon/Operational", "Computer": "WS1",
        },
        "EventData": data, "Message": "Network connection detected",
    });
    let hunted = json!({
        "EventTime": "2026-05-04T08:00:01Z", "Computer": "WS2", "EventID": 3, "EventData": data,
        "Channel": "Microsoft-Windows-Sysmon/Operational", "OSPath": "C:\\x.evtx",
    });
    let mut security = parsed.clone();
    security["System"]["EventID"]["Value"] = json!(5156);
    security["System"]["Channel"] = json!("Security");
    security["EventData"] = windows_5156()["Event"]["EventData"].clone();
    let (events, summary) = read(lines(&[forwarded, parsed, hunted, security]));
    assert_eq!((summary.format, events.rejections), (Format::WindowsJson, vec![]));
    let of = |host: &str| {
        format!(
            "1777881600250 {host} [4242:132173531780000000 C:\\Temp\\a.exe] 203.0.113.9 443 tcp - - -"
        )
    };
    assert_eq!(
        events.connections,
        [
            of("C.1"),
            of("WS1"),
            of("WS2"),
            r"1777881601500 WS1 [3688:0 \device\harddiskvolume2\temp\a.exe] 203.0.113.9 443 tcp - - -".to_owned(),
        ]
    );
}

/// The first document told the format, and events of other kinds were skipped as having no destination.
#[test]
fn winlogbeat_documents_of_all_kinds_in_one_stream_are_each_read_as_what_they_are() {
    let document = |winlog: Value, more: &[(&str, Value)]| {
        let document = json!({
            "@timestamp": "2026-05-04T08:00:00.250Z", "ecs": {"version": "8.0.0"},
            "event": {"kind": "event"}, "host": {"name": "WS1"}, "winlog": winlog,
        });
        but(&document, more)
    };
    let logon = document(
        json!({"channel": "Security", "event_id": "4624", "event_data": {"LogonType": "3"}}),
        &[],
    );
    let permitted = document(
        json!({
            "channel": "Security", "computer_name": "WS1", "event_id": "5156",
            "event_data": windows_5156()["Event"]["EventData"],
        }),
        &[],
    );
    let sysmon = document(
        json!({
            "channel": "Microsoft-Windows-Sysmon/Operational", "computer_name": "WS1", "event_id": "3",
            "event_data": {
                "UtcTime": "2026-05-04 08:00:00.250", "ProcessGuid": "{0}", "Image": "C:\\a.exe",
                "Initiated": "true", "DestinationIp": "203.0.113.10", "DestinationPort": "80",
            },
        }),
        &[],
    );
    let by_the_module = document(
        json!({"channel": "Microsoft-Windows-Sysmon/Operational", "computer_name": "WS1", "event_id": "3"}),
        &[
            ("/destination", json!({"ip": "203.0.113.11", "port": 81})),
            ("/process", json!({"executable": "C:\\b.exe", "pid": 7})),
            ("/network", json!({"direction": "egress", "transport": "tcp"})),
        ],
    );
    let expected = [
        r"1777881600250 WS1 [3688:0 \device\harddiskvolume2\temp\a.exe] 203.0.113.9 443 tcp - - -",
        r"1777881600250 WS1 [- C:\a.exe] 203.0.113.10 80 - - - -",
        r"1777881600250 WS1 [7:0 C:\b.exe] 203.0.113.11 81 tcp - - -",
    ];
    let kinds = [logon, permitted, sysmon, by_the_module];
    for first in 0..kinds.len() {
        let mut kinds = kinds.clone();
        kinds.rotate_left(first);
        let (events, _) = read(lines(&kinds));
        let found: BTreeSet<_> = events.connections.iter().map(String::as_str).collect();
        assert_eq!((found, events.rejections), (BTreeSet::from(expected), vec![]));
    }
}

#[test]
fn a_list_without_an_end_is_not_held() {
    let numbers = vec![1; 1 << 20];
    let row = but(&defender(), &[("/RemotePort", json!(numbers)), ("/ReportId", json!(numbers))]);
    let table = json!({"tables": [{
        "columns": [{"name": "ActionType"}, {"name": "RemoteIP"}, {"name": "RemotePort"},
                    {"name": "InitiatingProcessFileName"}],
        "rows": [numbers],
    }]});
    assert_eq!(read(lines(&[defender(), row])).0.connections.len(), 2);
    let rejections = read(table.to_string()).0.rejections;
    assert_starts(&rejections, &["1: has 5 values where the table has 4 columns"]);
}

#[test]
fn osquery_rows_without_the_result_log_are_read_as_they_are_within_it() {
    let row = json!({
        "action": "connect", "pid": "700", "path": "/usr/bin/curl", "remote_address": "203.0.113.9",
        "remote_port": "443", "status": "succeeded", "time": "1777881600", "eid": "1",
        "cmdline": "curl -s", "host_display_name": "web-01",
    });
    let (events, summary) = read(lines(&[
        row.clone(),
        but(&row, &[("/action", json!("bind"))]),
        but(&row, &[("/status", json!("failed"))]),
        but(&row, &[("/remote_address", json!(""))]),
    ]));
    assert_eq!(product(summary.format), "osquery rows");
    let expected = "1777881600000 web-01 [700:0 /usr/bin/curl $ curl -s] 203.0.113.9 443 - - - -";
    assert_eq!(events.connections, [expected]);
    assert_eq!(
        skipped(&summary),
        [
            ("a connect that failed", 1),
            ("no remote address (not an IP socket)", 1),
            ("not a connect", 1)
        ]
    );
    // Fleet's export has JSON texts for values.
    let quoted = but(&row, &[("/cmdline", json!("sh -c \"a, b\" \\d"))]);
    let names: Vec<_> =
        row.as_object().unwrap().keys().map(|name| json!(name).to_string()).collect();
    let values = |row: &Value| -> Vec<_> {
        row.as_object().unwrap().values().map(Value::to_string).collect()
    };
    let csv: Vec<_> =
        [names, values(&row), values(&quoted)].iter().map(|line| line.join(",")).collect();
    let expected_of_quoted = expected.replace("curl -s", r#"sh -c "a, b" \d"#);
    assert_eq!(connections(csv.join("\n")), [expected.to_owned(), expected_of_quoted]);
}

#[test]
fn what_is_open_when_it_is_asked_is_no_journal() {
    let netstat = json!({
        "Pid": 700, "Name": "a.exe", "Path": "C:\\Temp\\a.exe", "Status": "ESTAB",
        "SrcIP": "10.0.0.5", "DestIP": "203.0.113.9", "DestPort": 443,
        "Timestamp": "2026-05-04T08:00:00Z",
    });
    let open_sockets = json!({
        "pid": "700", "path": "/bin/a", "remote_address": "203.0.113.9", "remote_port": "443",
        "state": "ESTABLISHED",
    });
    for snapshot in [netstat, open_sockets] {
        let error = try_read(snapshot.to_string().as_bytes(), None).unwrap_err();
        assert!(error.contains("not a journal of a known kind"), "{error}");
    }
}

fn mapping(columns: &str, time_format: Option<&str>) -> Option<Family> {
    let layout = Layout::from_columns(columns, time_format).unwrap();
    Some(Family::Mapped(Box::leak(Box::new(layout))))
}

#[test]
fn a_mapping_names_the_fields_of_any_csv_or_json() {
    let columns = "time=_time, destination=dest_ip, destinationport=dest_port,\
                   pathname=process.path, host=src_host, host=src, pid=pid, domain=url";
    let expected = "1777881600250 ws1 [16:0 C:\\a b.exe] 203.0.113.9 443 - c2.example.net - -";
    let csv = "_time,src_host,src,dest_ip,dest_port,process.path,pid,url\n\
               2026-05-04T08:00:00.250Z,,ws1,203.0.113.9,443,C:\\a b.exe,0x10,http://c2.example.net/\n";
    let (events, summary) = try_read(csv.as_bytes(), mapping(columns, None)).unwrap();
    assert_eq!(events.connections, [expected]);
    assert_eq!(summary.format.to_string(), "mapped records");
    let object = json!({"result": {
        "_time": 1_777_881_600.25, "src": "ws1", "dest_ip": "203.0.113.9", "dest_port": "443",
        "process": {"path": "C:\\a b.exe"}, "pid": 16, "url": "c2.example.net",
    }});
    let (events, _) = try_read(object.to_string().as_bytes(), mapping(columns, None)).unwrap();
    assert_eq!(events.connections, [expected]);
}

#[test]
fn a_mapping_says_how_times_are_written_and_never_guesses() {
    let columns = "time=t,destination=d,destinationport=p";
    let read = |time: &str, format| {
        let csv = format!("t,d,p\n\"{time}\",203.0.113.9,443\n");
        let (events, _) = try_read(csv.as_bytes(), mapping(columns, format)).unwrap();
        (events.connections.len(), events.rejections)
    };
    for (time, format) in [
        ("1777881600250", "milliseconds"),
        ("04/05/2026 08:00:00", "%d/%m/%Y %H:%M:%S"),
        ("May 4 2026 08:00:00 +0000", "%b %d %Y %H:%M:%S %z"),
    ] {
        assert_eq!(read(time, Some(format)), (1, vec![]), "{time}");
        let (count, rejections) = read(time, None);
        assert_eq!(count, 0);
        assert_starts(&rejections, &[&format!("2: time '{time}' is neither")]);
    }
    let (count, rejections) = read("13/13/2026 08:00:00", Some("%d/%m/%Y %H:%M:%S"));
    assert_eq!(count, 0);
    assert_starts(&rejections, &["2: time '13/13/2026 08:00:00' does not fit the time format"]);
}

#[test]
fn a_mapping_that_makes_no_sense_is_refused_with_what_is_wrong() {
    for (columns, problem) in [
        ("", "no field is given for the column 'time'"),
        ("time=t,destination=d", "no field is given for the column 'destinationport'"),
        ("time=t,destination=d,destinationport=p,nonsense=x", "there is no column 'nonsense'"),
        ("time", "'time' is not column=field"),
        ("time=,destination=d,destinationport=p", "column 'time' has no field"),
        ("time=t,Time=u,destination=d,destinationport=p", "is there twice"),
    ] {
        let error = Layout::from_columns(columns, None).unwrap_err().to_string();
        assert!(error.contains(problem), "{columns}: {error}");
    }
    let columns = "time=t,destination=d,destinationport=p";
    let error = Layout::from_columns(columns, Some("days")).unwrap_err().to_string();
    assert!(error.contains("'days' is not a time format"), "{error}");
    let error = try_read(b"t,d\n1,203.0.113.9\n", mapping(columns, None)).unwrap_err();
    let expected = "its header has no column 'p', which is the destinationport; it has t, d";
    assert!(error.contains(expected), "{error}");
    let (events, _) = try_read(b"{\"t\":1,\"d\":\"203.0.113.9\"}", mapping(columns, None)).unwrap();
    assert_eq!(events.rejections, ["1: has nothing in 'p', which is the destinationport"]);
}

/// The mappings in the questions and in the description of formats, in order.
fn documented_mappings(document: &str) -> Vec<Option<Family>> {
    let path = Path::new(ROOT).join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let of_block = |block: &str| {
        let file = folder.path().join("mapping.toml");
        std::fs::write(&file, block).unwrap();
        let layout = Layout::from_file(&file).unwrap();
        Some(Family::Mapped(Box::leak(Box::new(layout))))
    };
    blocks.filter(|block| block.contains("[columns]")).map(of_block).collect()
}

#[test]
fn the_mappings_in_the_documents_read_what_they_are_for() {
    let [falcon, carbon_black] = documented_mappings("docs/faq.md")[..] else { panic!("not two") };
    let [edr] = documented_mappings("docs/journal-formats.md")[..] else { panic!("not one") };
    let connect = json!({
        "event_simpleName": "NetworkConnectIP4", "ContextTimeStamp": "1777881600.250",
        "timestamp": "1777881600341", "ComputerName": "WS1", "ContextBaseFileName": "a.exe",
        "ContextProcessId": "289741187433", "RemoteAddressIP4": "203.0.113.9", "RemotePort": "443",
        "Protocol": "6", "ConnectionDirection": "0", "id": "6a2f13b8", "aid": "4d92d2ad",
    });
    let netconn = json!({
        "event_type": "netconn", "event_timestamp": "2026-05-04T08:00:00.250Z", "device_name": "WS1",
        "process_name": ["c:\\temp\\a.exe"], "process_cmdline": ["a.exe -q"], "process_pid": [740],
        "netconn_remote_ipv4": "203.0.113.9", "netconn_remote_port": 443, "netconn_inbound": false,
        "netconn_protocol": "PROTO_UDP", "netconn_domain": "c2.example.net",
    });
    let own = json!({
        "event": {"kind": "connect"}, "ts": 1_777_881_600_250_u64, "agent": {"name": "WS1"},
        "exe": "/bin/a", "dst": {"ip": "203.0.113.9", "port": 443}, "direction": "out",
    });
    for (family, record, elsewhere, expected) in [
        (
            falcon,
            connect,
            ("/ConnectionDirection", json!("1")),
            "[- a.exe] 203.0.113.9 443 tcp - - -",
        ),
        (
            carbon_black,
            netconn,
            ("/netconn_inbound", json!(true)),
            "[740:0 c:\\temp\\a.exe $ a.exe -q] 203.0.113.9 443 udp c2.example.net - -",
        ),
        (edr, own, ("/direction", json!("in")), "[- /bin/a] 203.0.113.9 443 - - - -"),
    ] {
        let journal = lines(&[record.clone(), but(&record, &[elsewhere])]);
        let (events, summary) = try_read(journal.as_bytes(), family).unwrap();
        assert_eq!(events.connections, [format!("1777881600250 WS1 {expected}")]);
        assert_eq!((events.rejections, summary.delivered.skipped.len()), (vec![], 1));
    }
}

/// A sink for whatever comes.
fn read_whatever_it_is(journal: &[u8]) {
    for family in
        [None, Some(Family::Sysmon), mapping("time=time,destination=a.b,destinationport=c", None)]
    {
        if let Ok((events, summary)) = try_read(journal, family) {
            assert_eq!(summary.delivered.connections, events.connections.len() as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bytes that were changed, cut or doubled may cost rows, but never the reader.
    #[test]
    fn no_damage_to_a_journal_panics(
        which in 0..8_usize, cut in 0..4000_usize, at in 0..4000_usize, byte: u8, doubled in 0..40_usize,
    ) {
        let xml = xml_connection("2026-05-04 08:00:00.250", "true");
        let answer = json!({"tables": [{
            "columns": [{"name": "ActionType"}, {"name": "RemoteIP"}, {"name": "RemotePort"},
                        {"name": "InitiatingProcessFileName"}],
            "rows": [["ConnectionSuccess", "203.0.113.9", 443, "a"]],
        }]});
        let journals = [
            lines(&[defender(), defender()]),
            lines(&[flow(), flow()]),
            lines(&[endpoint(), endpoint()]),
            lines(&[windows_5156(), windows_5156()]),
            format!("{xml}\nx{xml}"),
            format!("a,_raw\n1,\"{xml}\"\n"),
            json!({"Results": [defender(), defender()]}).to_string(),
            answer.to_string(),
        ];
        let mut journal = journals[which].clone().into_bytes();
        let from = at.min(journal.len());
        let repeated = journal[from..(from + doubled).min(journal.len())].to_vec();
        journal.splice(from..from, repeated);
        if let Some(place) = journal.get_mut(at) {
            *place = byte;
        }
        journal.truncate(cut.max(1));
        read_whatever_it_is(&journal);
    }

    #[test]
    fn no_value_of_a_field_panics(
        name in "(RemoteIP|RemotePort|Timestamp|InitiatingProcess(Id|CreationTime|FolderPath)|RemoteUrl)",
        text in "\\PC{0,30}|[\\[\\]\"\\\\:/@.0-9a-fx%-]{0,30}",
        number: f64,
    ) {
        let pointer = format!("/{name}");
        read_whatever_it_is(lines(&[
            but(&defender(), &[(&pointer, json!(text))]),
            but(&defender(), &[(&pointer, json!(number))]),
            but(&defender(), &[(&pointer, json!({"a": [text, {"b": number}]}))]),
        ]).as_bytes());
    }

    #[test]
    fn no_text_of_columns_panics(text in "([a-z_.=,]|time|destination|port|\\PC){0,30}") {
        let _ = Layout::from_columns(&text, Some(&text));
    }
}

/// The time of a Sophos FILETIME.
fn of_filetime(ticks: i64) -> Timestamp {
    Timestamp::from_microsecond((ticks - 116_444_736_000_000_000) / 10).unwrap()
}

/// Whoever tells of the same connections tells of the same beacons.
#[test]
fn the_sample_journal_gives_the_same_rows_as_a_record_of_every_product() {
    let mut sample = String::new();
    let file = std::fs::File::open(Path::new(ROOT).join(SAMPLE)).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut sample).unwrap();
    let (mut defender, mut elastic, mut xml, mut rows) = (vec![], vec![], String::new(), vec![]);
    for line in sample.lines().take(2000) {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let ms = (row["time"].as_f64().unwrap() * 1000.0).round() as i64;
        let time = Timestamp::from_millisecond(ms).unwrap();
        let sophos_pid = text("sophosPID");
        let (pid, ticks) = sophos_pid.split_once(':').unwrap();
        let (pid, start) = (pid.parse::<u32>().unwrap(), of_filetime(ticks.parse().unwrap()));
        let (folder, file) = row["pathname"].as_str().unwrap().rsplit_once(['\\', '/']).unwrap();
        defender.push(json!({
            "Timestamp": time.to_string(), "ActionType": "ConnectionSuccess", "Protocol": text("protocol"),
            "RemoteIP": row["destination"], "RemotePort": row["destinationport"], "RemoteUrl": text("domain"),
            "InitiatingProcessFolderPath": folder, "InitiatingProcessFileName": file,
            "InitiatingProcessId": pid, "InitiatingProcessCreationTime": start.to_string(),
        }));
        elastic.push(json!({
            "@timestamp": time.to_string(), "event": {"action": "connection_attempted"},
            "destination": {
                "ip": row["destination"], "port": row["destinationport"], "domain": text("domain"),
                "bytes": row["bytes_received"],
            },
            "source": {"bytes": row["bytes_sent"]}, "network": {"transport": text("protocol")},
            "process": {"executable": row["pathname"], "pid": pid, "start": start.to_string()},
        }));
        let seconds = start.as_second();
        let data = [
            ("UtcTime", time.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()),
            ("ProcessGuid", format!("{{0-{:04x}-{:04x}-0-0}}", seconds & 0xffff, seconds >> 16)),
            ("ProcessId", pid.to_string()),
            ("Image", text("pathname").replace('&', "&amp;")),
            ("Protocol", text("protocol")),
            ("Initiated", "true".to_owned()),
            ("DestinationIp", text("destination")),
            ("DestinationPort", row["destinationport"].to_string()),
        ];
        let data: Vec<_> = data.iter().map(|(name, value)| (*name, value.as_str())).collect();
        xml += &sysmon_xml(3, &data).replace("WS1", "");
        rows.push(row);
    }
    let sql = "SELECT pathname, tuple, number_of_connections, period, jitter, missed_checkins FROM beacon_candidates";
    let answer = |journal: String| {
        let cache = TestCache::new();
        let imported = cache.import(journal);
        assert_eq!(imported.counts.added as usize, rows.len(), "{:?}", imported.rejections);
        let now = cache.reader().last_ms().unwrap().unwrap();
        cache.query(now, sql).unwrap()
    };
    let expected = answer(lines(&rows));
    assert!(expected.len() > 5);
    for journal in
        [lines(&defender), json!({"Results": defender}).to_string(), lines(&elastic), xml]
    {
        let start: String = journal.chars().take(200).collect();
        assert_eq!(answer(journal), expected, "{start}");
    }
}

#[test]
fn import_query_and_report_take_a_mapping_as_an_option_or_from_a_file() {
    let rows: String = (0..20)
        .map(|n| format!("{{\"ts\":{},\"exe\":\"/bin/a\",\"dst\":{{\"ip\":\"203.0.113.9\",\"port\":443}}}}\n", 60_000 * n))
        .collect();
    let mapping = b"time_format = \"milliseconds\"\n[columns]\ntime = \"ts\"\npathname = \"exe\"\n\
                    destination = \"dst.ip\"\ndestinationport = \"dst.port\"\n";
    let folder = folder(&[("edr.json", rows.as_bytes()), ("edr.toml", mapping)]);
    let [journal, file, cache, page] =
        ["edr.json", "edr.toml", "cache.sqlite", "report.html"].map(|name| path(&folder, name));
    let columns = "time=ts,pathname=exe,destination=dst.ip,destinationport=dst.port";
    let options = [
        ["--columns", columns, "--time-format", "milliseconds"].to_vec(),
        vec!["--mapping", &file],
    ];
    for options in &options {
        let sql = "SELECT pathname, tuple, number_of_connections FROM beacon_candidates";
        let found =
            quiet(&[&["query", "--csv", "--journal", &journal, sql], &options[..]].concat());
        assert_eq!(found, "pathname,tuple,number_of_connections\n/bin/a,203.0.113.9::443,20\n");
        quiet(&[&["report", "--journal", &journal, "--html", &page], &options[..]].concat());
        assert!(std::fs::read_to_string(&page).unwrap().contains("203.0.113.9"));
        let said = quiet(&[&["import", "--cache", &cache, &journal], &options[..]].concat());
        assert!(said.contains("mapped records: 20 connections read"), "{said}");
    }
    // What makes no sense is told before anything is done.
    for (arguments, problem) in [
        (
            &["query", "--journal", &journal, "--columns", "time=ts", "SELECT 1"][..],
            "no field is given for the column",
        ),
        (&["query", "--columns", columns, "SELECT 1"], "name them with --journal"),
        (&["import", &journal, "--columns", columns, "--mapping", &file], "cannot be used with"),
        (&["import", &journal, "--columns", columns, "--format", "zeek"], "cannot be used with"),
        (&["import", &journal, "--time-format", "seconds"], "--columns"),
    ] {
        let output = run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(problem), "{said}");
    }
    std::fs::write(&file, "[columns]\ntime = 3\n").unwrap();
    let said = failure(&["query", "--journal", &journal, "--mapping", &file, "SELECT 1"]);
    assert!(
        said.contains("edr.toml, line 2: a name or a list of names is expected here"),
        "{said}"
    );
}
