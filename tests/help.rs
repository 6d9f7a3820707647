//! `--help`: its examples are copied as they stand, so they run as they stand.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::{SAMPLE, folder, quiet};

const VERBS: [&str; 5] = ["query", "report", "import", "status", "simulate"];

/// The commands below "Examples:".
fn examples(help: &str) -> Vec<String> {
    let examples = help.split("\nExamples:\n").nth(1).unwrap();
    let examples = examples.split("\n\n").next().unwrap().replace("\\\n", "");
    examples.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_examples_in_every_help_run() {
    let sample = fs::read(SAMPLE).unwrap();
    let mut zeek = GzEncoder::new(Vec::new(), Compression::fast());
    zeek.write_all(include_bytes!("fixtures/zeek_conn.log")).unwrap();
    let folder = folder(&[
        ("conn.log.gz", &sample),
        ("conn.1.log.gz", &zeek.finish().unwrap()),
        ("Sysmon.evtx", &sample),
        ("osqueryd.results.log", include_bytes!("fixtures/osquery_results.log")),
        ("hunt.sql", b"SELECT tuple FROM beacon_candidates;"),
        (
            "edr.json",
            br#"{"ts":1777881600250,"agent":"WS1","exe":"/bin/a","dst":{"ip":"203.0.113.9","port":443}}"#,
        ),
    ]);
    symlink(env!("CARGO_BIN_EXE_beacon_candidates"), folder.path().join("beacon_candidates"))
        .unwrap();
    let search_path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let run = |command: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&folder).env("PATH", &search_path);
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {said}");
        assert!(!said.contains("beacon_candidates: "), "{command}: {said}");
    };
    run("beacon_candidates import --cache hunt.sqlite conn.log.gz");
    for help in [&["--help"][..]].into_iter().chain(VERBS.iter().map(std::slice::from_ref)) {
        let help = quiet(&[help, &["--help"]].concat());
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{help}");
        examples.iter().for_each(|example| run(example));
    }
}

#[test]
fn every_help_says_what_the_exit_status_means() {
    for verb in VERBS {
        let help = quiet(&[verb, "--help"]);
        let statuses = help.split("\nExit status:\n").nth(1).unwrap();
        let numbers: Vec<_> = statuses.lines().map(|line| &line[..7]).collect();
        assert_eq!(numbers, ["  0    ", "  1    ", "  2    ", "  130  "], "{verb}");
    }
}
