//! What is handed to osquery, Fleet and ClickHouse has the form that they take, and the code's columns.
//! That its statements run, `statements` checks.

use std::fs;
use std::path::{Path, PathBuf};

use beacon_candidates::cache::PassOutcome;
use beacon_candidates::table::{ColumnOptions, Kind, Table};
use serde::Deserialize;
use serde_json::Value;

use crate::statements::over_the_sample;
use crate::support::TestCache;

fn packaging(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path)
}

#[test]
fn the_pack_asks_seldom_and_its_differentials_for_what_stays() {
    let (_cache, connection) = over_the_sample();
    let pack = fs::read(packaging("osquery/beacon_candidates.conf")).unwrap();
    let pack: Value = serde_json::from_slice(&pack).unwrap();
    // What a differential query selects must not change from run to run.
    let stable = ["pathname", "destination", "destinationport", "protocol"];
    for (name, query) in pack["queries"].as_object().unwrap() {
        assert!(query["interval"].as_u64().unwrap() >= 3600, "{name}");
        let statement = connection.prepare(query["query"].as_str().unwrap()).unwrap();
        let is_stable = statement.column_names().all(|column| stable.contains(&column));
        assert!(query["snapshot"] == true || is_stable, "{name}");
    }
}

#[test]
fn a_host_is_blind_half_blind_or_sees() {
    let pack = fs::read(packaging("osquery/beacon_candidates.conf")).unwrap();
    let pack: Value = serde_json::from_slice(&pack).unwrap();
    let query = pack["queries"]["beacons_blind"]["query"].as_str().unwrap();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    for (source, state, minutes_ago, blind) in [
        ("ebpf", "collecting", 1, "0.0"),
        ("audit", "collecting; audit's rules record the connections of some", 1, "0.5"),
        ("socket_events", "collecting", 1, "0.0"),
        ("socket_events", "collecting", 61, "1.0"),
        ("socket_events", "collecting; times are of batches up to 49 s apart: rhythms", 1, "0.5"),
        ("socket_events", "collecting; the kernel hands on no connections: no root", 1, "0.5"),
        ("socket_events", "collecting; osquery has recorded no event yet", 1, "1.0"),
        ("process_open_sockets", "collecting; last resort; the kernel hands on", 1, "1.0"),
        ("socket_events", "catching up", 1, "1.0"),
        ("socket_events", "stopped; collector.source is 'none'", 1, "1.0"),
    ] {
        let cache = TestCache::new();
        let outcome = PassOutcome {
            source,
            state,
            now_ms: now_ms - minutes_ago * 60_000,
            rejected: 0,
            last_error: "",
            cursor_s: None,
            blur_s: None,
        };
        cache.writer().end_pass(&outcome).unwrap();
        let rows = cache.query(now_ms, query).unwrap();
        assert_eq!(rows[0][0], blind, "{source}: {state}");
    }
}

/// Only that hosts which are not blind send no row to Fleet.
#[test]
fn fleet_asks_what_the_pack_asks() {
    let pack = fs::read(packaging("osquery/beacon_candidates.conf")).unwrap();
    let pack: Value = serde_json::from_slice(&pack).unwrap();
    let gitops = fs::read_to_string(packaging("fleet/gitops/queries.yml")).unwrap();
    let gitops: Vec<Value> = serde_saphyr::from_str(&gitops).unwrap();
    let words = |sql: &Value| -> String {
        let words: Vec<_> = sql.as_str().unwrap().split_whitespace().collect();
        words.join(" ")
    };
    let scheduled: Vec<_> = gitops
        .iter()
        .filter(|query| query["interval"] != 0)
        .map(|query| {
            let all = words(&query["query"]);
            let inner = all.strip_prefix("SELECT * FROM ( ");
            let inner = inner.and_then(|rest| rest.strip_suffix(" ) WHERE blind > 0;"));
            let sql = inner.map_or(all.clone(), |inner| format!("{inner};"));
            (sql, query["interval"].clone(), query["logging"] == "snapshot")
        })
        .collect();
    let packed = pack["queries"].as_object().unwrap().values();
    let packed: Vec<_> = packed
        .map(|query| (words(&query["query"]), query["interval"].clone(), query["snapshot"] == true))
        .collect();
    assert_eq!(scheduled, packed);
}

#[test]
fn fleetctl_applies_what_gitops_has() {
    let yaml = |path: &str| fs::read_to_string(packaging(&format!("fleet/{path}"))).unwrap();
    for (file, kind) in [("queries.yml", "query"), ("policies.yml", "policy")] {
        let gitops: Vec<Value> = serde_saphyr::from_str(&yaml(&format!("gitops/{file}"))).unwrap();
        let applied: Vec<Value> =
            serde_saphyr::from_multiple(&yaml(&format!("apply/{file}"))).unwrap();
        assert!(!gitops.is_empty());
        let envelope = |spec| serde_json::json!({"apiVersion": "v1", "kind": kind, "spec": spec});
        assert_eq!(applied, gitops.into_iter().map(envelope).collect::<Vec<_>>());
    }
}

/// Fleet's schema override, as its website's `get-extended-osquery-schema` takes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FleetTable {
    name: String,
    description: String,
    platforms: Vec<FleetPlatform>,
    evented: bool,
    #[serde(rename = "notes")]
    _notes: String,
    examples: String,
    columns: Vec<FleetColumn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum FleetPlatform {
    Darwin,
    Linux,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FleetColumn {
    name: String,
    description: String,
    #[serde(rename = "type")]
    kind: String,
    required: bool,
    #[serde(default)]
    hidden: bool,
}

#[test]
fn fleets_schema_is_in_fleets_format() {
    for table in Table::ALL {
        let file = packaging(&format!("fleet/schema/{}.yml", table.name()));
        let yaml = fs::read_to_string(file).unwrap();
        let schema: FleetTable = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(schema.name, table.name());
        assert!(!schema.description.is_empty() && !schema.platforms.is_empty() && !schema.evented);
        assert!(schema.examples.starts_with("```\nSELECT "), "{}", schema.examples);
        let columns: Vec<_> = table.columns().collect();
        assert_eq!(schema.columns.len(), columns.len());
        for (found, column) in schema.columns.iter().zip(&columns) {
            assert_eq!(found.name, column.name);
            assert_eq!(found.kind, column.kind.as_sql().to_lowercase());
            assert_eq!(found.hidden, column.options == ColumnOptions::Parameter);
            assert!(found.description.starts_with(column.description) && !found.required);
        }
    }
}

/// Those that it makes of the line itself come first, and the host is among them.
#[test]
fn clickhouse_has_every_column_of_candidates() {
    let schema = fs::read_to_string(packaging("clickhouse/schema.sql")).unwrap();
    let part = |begin: &str, end: &str| -> Vec<String> {
        let rest = schema.split(begin).nth(1).unwrap();
        let lines = rest.split(end).next().unwrap().lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty() && !line.starts_with("--"))
            .map(str::to_owned)
            .collect()
    };
    let declared =
        part("-- Of the row, as docs/table-reference.md has them.\n", "-- The sorting key");
    let filled = part("AS row_hash,\n", "\nFROM");
    let columns = Table::BeaconCandidates.visible_columns();
    let columns: Vec<_> = columns.iter().filter(|column| column.name != "host").collect();
    assert_eq!((declared.len(), filled.len()), (columns.len(), columns.len()));
    for (index, column) in columns.iter().enumerate() {
        let mut words = declared[index].split_whitespace();
        assert_eq!(words.next(), Some(column.name));
        let type_of_column = words.next().unwrap().trim_end_matches(',');
        let expected: &[&str] = match column.kind {
            Kind::Text => &["String", "LowCardinality(String)"],
            Kind::BigInt => &["Nullable(Int64)", "Nullable(DateTime('UTC'))", "UInt16"],
            Kind::Double => &["Nullable(Float64)"],
        };
        assert!(expected.contains(&type_of_column), "{}: {type_of_column}", column.name);
        let filled = filled[index].trim_end_matches(',');
        assert!(filled.ends_with(&format!(" AS {}", column.name)), "{filled}");
    }
}
