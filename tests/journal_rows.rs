//! Which rows are connections, and whose: what Zeek, Sysmon, Sophos and osquery write in more ways
//! than one.

use beacon_candidates::journal::reader::{Family, Format};
use serde_json::{Value, json};

use crate::readers::{connections, read, skipped, try_read};
use crate::support::TestCache;

fn zeek(more: Value) -> Value {
    let mut row = json!({
        "ts": 1_777_881_600.25, "uid": "C1", "id.orig_h": "10.0.0.5", "id.orig_p": 50000,
        "id.resp_h": "203.0.113.9", "id.resp_p": 443, "proto": "tcp", "conn_state": "SF",
    });
    for (name, value) in more.as_object().unwrap() {
        row[name] = value.clone();
    }
    row
}

const ZEEK_ROW: &str = "1777881600250 10.0.0.5 [- ] 203.0.113.9 443 tcp - - -";

#[test]
fn of_zeeks_logs_in_one_stream_only_conn_log_counts() {
    let mut ssl = zeek(json!({"@stream": "ssl", "server_name": "c2.example.net"}));
    ssl.as_object_mut().unwrap().remove("conn_state");
    let text = format!("{}\n{ssl}\n", zeek(json!({"@stream": "conn"})));
    for family in [None, Some(Family::Zeek)] {
        let (events, summary) = try_read(text.as_bytes(), family).unwrap();
        assert_eq!(events.connections, [ZEEK_ROW]);
        assert_eq!(skipped(&summary), [("of another log of Zeek's", 1)]);
    }
    let (events, _) = try_read(ssl.to_string().as_bytes(), Some(Family::Zeek)).unwrap();
    assert_eq!(events.connections, Vec::<String>::new());
    // Two tab-separated logs behind each other.
    let log = |path: &str, more: &str| {
        format!(
            "#path\t{path}\n#fields\tts\tid.orig_h\tid.resp_h\tid.resp_p\tproto\t{more}\n\
                 1777881600.25\t10.0.0.5\t203.0.113.9\t443\ttcp\tx\n"
        )
    };
    let (events, summary) = read(log("dns", "query") + &log("conn", "conn_state"));
    assert_eq!(events.connections, [ZEEK_ROW]);
    assert_eq!(skipped(&summary), [("of another log of Zeek's", 1)]);
}

#[test]
fn a_conn_log_is_told_by_its_fields_whatever_it_is_called() {
    for name in ["conn_red", "conn_long", "open_conn", "conn_external", "mine"] {
        assert_eq!(connections(zeek(json!({"_path": name})).to_string()), [ZEEK_ROW], "{name}");
        let tsv = format!(
            "\n\t#separator \\x09\n#path\t{name}\n\
             #fields\tts\tid_orig_h\tid_resp_h\tid_resp_p\tproto\tconn_state\n\
             1777881600.25\t10.0.0.5\t203.0.113.9\t443\ttcp\tSF\n"
        );
        assert_eq!(connections(&tsv), [ZEEK_ROW], "{name}");
    }
    let bare = "ts\tid.orig_h\tid.resp_h\tid.resp_p\tproto\n\
                1777881600.25\t10.0.0.5\t203.0.113.9\t443\ttcp\n";
    for family in [None, Some(Family::Zeek)] {
        let (events, summary) = try_read(bare.as_bytes(), family).unwrap();
        assert_eq!(
            (events.connections, summary.format),
            (vec![ZEEK_ROW.to_owned()], Format::ZeekTsv)
        );
        assert_eq!(events.rejections, Vec::<String>::new());
    }
}

#[test]
fn a_zeek_row_is_inbound_only_if_the_responder_is_local() {
    let row = |originator: &str, ends: Value| {
        let mut row = zeek(ends);
        row["id.orig_h"] = originator.into();
        format!("{row}\n")
    };
    let neither = json!({"local_orig": false, "local_resp": false});
    let inbound = json!({"local_orig": false, "local_resp": true});
    let outbound = json!({"local_orig": true, "local_resp": false});
    let text = row("198.51.100.7", neither)
        + &row("10.0.0.5", inbound.clone())
        + &row("10.0.0.6", outbound);
    let (events, summary) = read(&text);
    assert_eq!(events.connections.len(), 2);
    assert_eq!(skipped(&summary), [("originated outside (local_orig=F)", 1)]);
    let doubtful: Vec<_> = summary.delivered.doubtful.into_iter().collect();
    assert_eq!(doubtful, [("with neither end in Zeek's Site::local_nets", 1)]);

    // Where nothing else would be left, private addresses are local; public ones are not.
    let text = row("10.0.0.5", inbound.clone()) + &row("198.51.100.7", inbound);
    let (events, summary) = read(&text);
    assert_eq!(events.connections, [ZEEK_ROW]);
    assert_eq!(skipped(&summary), [("originated outside (local_orig=F)", 1)]);
    assert_eq!(summary.delivered.doubtful.values().sum::<u64>(), 1);
}

fn sysmon_data() -> Value {
    json!({
        "UtcTime": "2026-05-04 08:00:00.250", "ProcessId": "4242", "Image": r"C:\Temp\update.exe",
        "ProcessGuid": "{b3c285a4-5180-69f8-0000-001077270b00}", "Protocol": "tcp",
        "Initiated": "true", "SourcePort": "50001", "DestinationIp": "203.0.113.9",
        "DestinationHostname": "-", "DestinationPort": "443",
    })
}

const CHANNEL: &str = "Microsoft-Windows-Sysmon/Operational";

#[test]
fn sysmons_event_data_is_found_beside_the_event_in_it_as_text_and_in_ecs_fields() {
    let expected = connections(
        json!({"winlog": {"event_id": 3, "channel": CHANNEL, "computer_name": "WS1",
                          "event_data": sysmon_data()}})
        .to_string(),
    );
    assert!(expected[0].starts_with(r"1777881600250 WS1 [4242:"), "{expected:?}");
    let mut with_zone = sysmon_data();
    with_zone["UtcTime"] = "2026-05-04T08:00:00.2500000Z".into();
    let row = |id: &str, data: &Value| {
        json!({"hostIdentifier": "WS1", "unixTime": 1, "name": "sysmon", "action": "added",
               "columns": {"eventid": id, "source": CHANNEL, "time": "1777881700",
                           "data": json!({"EventData": data}).to_string()}})
    };
    for event in [
        json!({"EventID": 3, "Channel": CHANNEL, "Computer": "WS1", "EventData": sysmon_data()}),
        json!({"EventID": 3, "Channel": CHANNEL, "Computer": "WS1",
               "EventData": with_zone.to_string()}),
        json!({"Event": {"System": {"EventID": 3, "Computer": "WS1", "Channel": CHANNEL},
                         "EventData": with_zone}}),
        json!({"@timestamp": "2026-05-04T08:00:00.250Z",
               "winlog": {"event_id": "3", "channel": CHANNEL, "computer_name": "WS1"},
               "destination": {"ip": "203.0.113.9", "port": 443}, "source": {"port": 50001},
               "network": {"transport": "tcp", "direction": "egress"},
               "process": {"executable": r"C:\Temp\update.exe", "pid": 4242,
                           "entity_id": "{b3c285a4-5180-69f8-0000-001077270b00}"}}),
        row("3", &sysmon_data()),
    ] {
        let (events, summary) = read(event.to_string());
        assert_eq!(events.connections, expected, "{event}");
        assert!(summary.delivered.doubtful.is_empty());
    }
    let mut created = sysmon_data();
    created["CommandLine"] = "update.exe -q".into();
    let (events, _) = read(row("1", &created).to_string());
    assert!(events.processes[0].ends_with("update.exe $ update.exe -q]"), "{events:?}");
}

#[test]
fn an_event_of_sysmons_that_does_not_tell_its_direction_counts_and_one_that_came_in_does_not() {
    let event = |initiated: Option<&str>| {
        let mut data = sysmon_data();
        match initiated {
            Some(initiated) => data["Initiated"] = initiated.into(),
            None => drop(data.as_object_mut().unwrap().remove("Initiated")),
        }
        json!({"EventID": 3, "Channel": CHANNEL, "EventData": data}).to_string()
    };
    let (events, summary) = read(event(None));
    assert_eq!(events.connections.len(), 1);
    let doubtful: Vec<_> = summary.delivered.doubtful.into_iter().collect();
    assert_eq!(doubtful, [("of unknown direction (Initiated is missing)", 1)]);
    let (events, summary) = read(event(Some("false")));
    assert_eq!(events.connections.len(), 0);
    assert_eq!(skipped(&summary), [("inbound (Initiated is not true)", 1)]);
}

#[test]
fn sophos_names_the_endpoint_the_time_and_the_destination_in_several_ways() {
    for name in ["epName", "ep_name", "meta_hostname", "hostname", "endpoint_id", "host"] {
        let csv =
            format!("{name},time,destination,destinationPort\nWS1,1777881600,203.0.113.9,443\n");
        assert_eq!(connections(&csv), ["1777881600000 WS1 [- ] 203.0.113.9 443 - - - -"], "{name}");
    }
    // A name comes before an id, and the column of ours before both.
    let both = "endpoint_id,epName,host,time,destination,destinationPort\n\
                7f,WS1,,1777881600,203.0.113.9,443\n7f,WS1,h,1777881600,203.0.113.9,443\n";
    let hosts: Vec<_> =
        connections(both).iter().map(|row| row.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(hosts, ["WS1", "h"]);
    // As Rapid Response's published queries name them, misspelling and all.
    let csv = "date_time,path,cmd_line,sophos_pid,destination_ip_url,destinatin_port,data_source\n\
               2026-05-04T08:00:00Z,/bin/a,a -b,7:0,203.0.113.9,443,Network Journal/Process Journal\n\
               2026-05-04T07:00:00Z,/bin/a,a -b,7:0,https://c2.example.net/x,443,HTTP Journal/Users\n";
    let (events, summary) = read(csv);
    assert_eq!(events.connections, ["1777881600000 - [7:0 /bin/a $ a -b] 203.0.113.9 443 - - - -"]);
    assert_eq!(skipped(&summary).len(), 1);
}

#[test]
fn destinations_with_ports_and_urls_are_taken_apart_and_junk_is_rejected() {
    let csv = "time,destination,destinationport\n1,203.0.113.9:443,443\n1,203.0.113.9:443,\n\
               1,[2001:db8::9]:8443,\n1,https://C2.example.net/x,\n1,http://c2.example.net:8080/,8080\n\
               1,203.0.113.9:443,80\n1,not an ip!!,443\n1,-,443\n1,c2.example.net,\n";
    let (events, _) = read(csv);
    let ends: Vec<_> = events
        .connections
        .iter()
        .map(|row| row.split(' ').skip(4).take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        ends,
        [
            "203.0.113.9 443",
            "203.0.113.9 443",
            "2001:db8::9 8443",
            "c2.example.net 443",
            "c2.example.net 8080"
        ]
    );
    let starts = [
        "7: the destination names port 443, destinationport says 80",
        "8: destination 'not an ip!!' is neither",
        "9: destination '-' is neither",
        "10: destinationport is missing",
    ];
    assert_eq!(events.rejections.len(), starts.len());
    for (rejection, start) in events.rejections.iter().zip(starts) {
        assert!(rejection.starts_with(start), "{rejection}");
    }
    for journal in [
        zeek(json!({"id.resp_h": "junk!"})).to_string(),
        json!({"EventID": 3, "Channel": CHANNEL, "DestinationIp": "junk!", "DestinationPort": 443,
               "UtcTime": "2026-05-04 08:00:00", "Initiated": true})
        .to_string(),
    ] {
        assert_eq!(read(journal).0.rejections.len(), 1);
    }
}

/// A line of osquery's result log, from a run of a query, with a row without `eid`.
fn socket(run: u32, second: u32) -> String {
    let line = json!({
        "name": "sockets", "hostIdentifier": "web-01", "unixTime": 1_777_881_600 + 60 * run,
        "counter": run, "action": "added",
        "columns": {"action": "connect", "pid": "7", "path": "/bin/a", "status": "succeeded",
                    "remote_address": "203.0.113.9", "remote_port": "443",
                    "time": (1_777_881_600 + second).to_string()},
    });
    format!("{line}\n")
}

#[test]
fn a_row_that_osquery_logs_in_several_runs_counts_once_and_twice_in_one_run_twice() {
    // The window of each run reaches back over two others.
    let mut log = String::new();
    for run in 0..20u32 {
        for second in run.saturating_sub(2)..=run {
            log += &socket(run, 60 * second);
        }
    }
    log += &socket(19, 60 * 19); // the same instant again, in the same run
    let cache = TestCache::new();
    let imported = cache.import(log.clone());
    assert_eq!((imported.counts.added, imported.counts.duplicates), (21, 37));
    let again = cache.import(log);
    assert_eq!(again.counts.added, 0);
}

#[test]
fn rows_that_osqueryi_prints_are_read() {
    let row = json!({"action": "connect", "pid": "700", "path": "/usr/bin/curl", "status": "succeeded",
                     "remote_address": "203.0.113.9", "remote_port": "443", "time": "1777881600"});
    let expected = ["1777881600000 - [700:0 /usr/bin/curl] 203.0.113.9 443 - - - -"];
    for text in [format!("[\n  {row}\n]\n"), format!("{row}\n")] {
        assert_eq!(connections(&text), expected);
    }
}
