//! What is handed to osquery, Fleet and Live Discover: every statement runs, and the schema of the
//! tables is the code's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use beacon_candidates::table::Table;
use serde_json::Value;

const SAMPLE: &str = "docs/sample-journal.ndjson.gz";

fn packaging(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(path)
}

/// The rows of a statement over the sample journal.
fn rows(sql: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["query", "--json", "--journal", SAMPLE, sql])
        .output()
        .unwrap();
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
}

#[test]
fn every_query_of_the_pack_runs() {
    let pack = fs::read(packaging("osquery/beacon_candidates.conf")).unwrap();
    let pack: Value = serde_json::from_slice(&pack).unwrap();
    let queries = pack["queries"].as_object().unwrap();
    for (name, query) in queries {
        let found = rows(query["query"].as_str().unwrap());
        assert!(!found.is_empty(), "{name}");
        assert!(query["interval"].as_u64().unwrap() >= 3600, "{name}");
    }
    // What a differential query selects must not change from run to run.
    let stable = ["pathname", "destination", "destinationport", "protocol"];
    for query in queries.values().filter(|query| query["snapshot"] != true) {
        let found = rows(query["query"].as_str().unwrap());
        let columns = found[0].as_object().unwrap();
        assert!(columns.keys().all(|column| stable.contains(&column.as_str())), "{query}");
    }
}

#[test]
fn every_hunt_runs_after_substitution_and_finds_what_it_is_for() {
    let defaults = [
        ("$$Hours to check$$", "24"),
        ("$$Minimum score$$", "0.33"),
        ("$$Process path$$", "%"),
        ("$$Time delta threshold$$", "10"),
        ("$$Total events threshold$$", "15"),
        ("$$Percent beacon threshold$$", "95"),
    ];
    for hunt in ["fixed_interval", "repetitive_interval", "periodic"] {
        let mut sql = fs::read_to_string(packaging(&format!("live-discover/{hunt}.sql"))).unwrap();
        for (variable, value) in defaults {
            sql = sql.replace(variable, value);
        }
        assert!(!sql.contains("$$"), "{hunt} has a variable without a default");
        assert!(!rows(&sql).is_empty(), "{hunt}");
    }
}

#[test]
fn fleets_schema_has_every_column_and_parameter_in_order() {
    for table in Table::ALL {
        let file = packaging(&format!("fleet/schema/{}.yml", table.name()));
        let schema = fs::read_to_string(file).unwrap();
        let value = |line: &str, key: &str| line.trim().strip_prefix(key).map(str::to_owned);
        let names: Vec<_> = schema.lines().filter_map(|line| value(line, "- name: ")).collect();
        let types: Vec<_> = schema.lines().filter_map(|line| value(line, "type: ")).collect();
        let columns: Vec<_> = table.columns().collect();
        let expected: Vec<_> = columns.iter().map(|column| column.name.to_owned()).collect();
        assert_eq!(names, expected, "{}", table.name());
        let expected: Vec<_> =
            columns.iter().map(|column| column.kind.as_sql().to_lowercase()).collect();
        assert_eq!(types, expected, "{}", table.name());
    }
}
