//! Journal files as arguments: folders, patterns, several formats at once, and what is said of what
//! was left out.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::cli::{command, failure, folder, path, quiet, run, stderr, stdout};

const CSV: &[u8] = b"time,destination,destinationport\n1777881600,192.0.2.1,443\n";
const ZEEK: &[u8] = b"#path\tconn\n#fields\tts\tid.orig_h\tid.resp_h\tid.resp_p\tproto\n\
    1777881660\t10.0.0.5\t192.0.2.1\t443\ttcp\n1777881660\t10.0.0.5\t192.0.2.1\t0\ticmp\n";
const COUNT: &str = "SELECT count(*) AS n FROM beacon_candidates WHERE include_all = 1";

#[test]
fn formats_folders_and_patterns_may_be_mixed_and_what_is_no_journal_is_counted() {
    let folder = folder(&[("a.csv", CSV), ("conn.log", ZEEK), ("notes.txt", b"nothing of use\n")]);
    fs::create_dir(folder.path().join("deep")).unwrap();
    fs::rename(folder.path().join("conn.log"), folder.path().join("deep/conn.log")).unwrap();
    let whole = folder.path().to_str().unwrap();
    let output = run(&["query", "--list", whole, COUNT]);
    assert_eq!(stdout(&output), "n\n2\n");
    let said = stderr(&output);
    assert!(
        output.status.success() && said.contains("1 file in the folders is no journal"),
        "{said}"
    );
    // A line a file of which something was left out, and of no other.
    assert!(said.contains("conn.log: Zeek conn.log: 1 connection read"), "{said}");
    assert!(said.contains("1 skipped: ICMP") && !said.contains("a.csv"), "{said}");

    let pattern = format!("{whole}/**/*.[cl]*");
    for arguments in [vec!["--journal", &pattern], vec![&pattern]] {
        let arguments: Vec<_> =
            ["query", "--list"].into_iter().chain(arguments).chain([COUNT]).collect();
        assert_eq!(stdout(&run(&arguments)), "n\n2\n");
    }
    let cache = path(&folder, "cache.sqlite");
    let output = run(&["import", "--cache", &cache, whole]);
    assert!(output.status.success());
    assert_eq!(stdout(&output).matches("1 connection read, 1 new").count(), 2);
    assert!(failure(&["import", "--cache", &cache, &format!("{whole}/*.evtx")]).contains("*.evtx"));
}

#[test]
fn a_file_that_is_refused_does_not_end_a_query_over_others() {
    let folder =
        folder(&[("a.csv", CSV), ("notes.txt", b"nothing\n"), ("b.7z", b"7z\xbc\xaf\x27\x1c")]);
    let (good, bad, packed) =
        (path(&folder, "a.csv"), path(&folder, "notes.txt"), path(&folder, "b.7z"));
    let output = run(&["query", "--list", "--journal", &bad, &packed, &good, COUNT]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), "n\n1\n".to_owned()));
    let said = stderr(&output);
    assert!(said.contains("notes.txt is not a journal of a known kind (it begins with 'nothing')"));
    assert!(said.contains("it is a 7-Zip archive") && said.lines().count() == 2, "{said}");
    // Without any that can be read, there is no answer.
    let error = failure(&["query", "--journal", &bad, "--journal", &packed, COUNT]);
    assert_eq!(error.lines().count(), 2, "{error}");
}

#[test]
fn journals_without_a_connection_are_no_clean_host() {
    let icmp = ZEEK.split_inclusive(|byte| *byte == b'\n').enumerate();
    let icmp: Vec<u8> =
        icmp.filter(|(at, _)| *at != 2).flat_map(|(_, line)| line.to_vec()).collect();
    let folder = folder(&[("conn.log", &icmp)]);
    let (log, page) = (path(&folder, "conn.log"), path(&folder, "page.html"));
    for arguments in
        [&["query", "--journal", &log, COUNT][..], &["report", "--journal", &log, "--html", &page]]
    {
        let output = run(arguments);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("1 skipped: ICMP"), "{said}");
        assert!(said.contains("gave no connection at all"), "{said}");
    }
}

#[test]
fn the_statement_comes_last_or_on_standard_input() {
    let folder = folder(&[("a.csv", CSV), ("conn.log", ZEEK)]);
    let (a, b) = (path(&folder, "a.csv"), path(&folder, "conn.log"));
    for arguments in
        [&["query", "--list", "--journal", &a, &b][..], &["query", "--list", &a, &b, "-"]]
    {
        let mut child = command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(COUNT.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(stdout(&output), "n\n2\n", "{}", stderr(&output));
    }
    let missing = path(&folder, "missing.log");
    let error = run(&["query", &a, &missing]);
    assert_eq!(error.status.code(), Some(2));
    assert!(stderr(&error).contains("missing.log: there is no such file"));
}

#[test]
fn a_format_may_be_named_to_query_and_report_but_not_for_a_cache() {
    let dns = b"#path\tdns\n#fields\tts\tid.orig_h\tid.resp_h\tid.resp_p\tproto\n";
    let folder = folder(&[("a.csv", CSV), ("dns.log", dns)]);
    let (csv, dns) = (path(&folder, "a.csv"), path(&folder, "dns.log"));
    assert_eq!(quiet(&["query", "--list", "--format", "journal", &csv, COUNT]), "n\n1\n");
    let output = run(&["query", "--format", "zeek", &dns, COUNT]);
    assert_eq!(output.status.code(), Some(1)); // read, and nothing in it
    let output = run(&["query", "--cache", &path(&folder, "c"), "--format", "zeek", COUNT]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--format is for journal files"));
    let output = run(&["query", "--max-line", "x", &csv, COUNT]);
    assert!(stderr(&output).contains("expected a number of bytes"), "{}", stderr(&output));
    let output = run(&["query", "--list", "--max-line", "40", &csv, COUNT]);
    assert_eq!(stdout(&output), "n\n1\n");
}

#[test]
fn an_import_keeps_everything_unless_a_size_is_given_and_says_what_had_to_go() {
    let rows = (0..200_000u32)
        .map(|n| format!("{},192.0.2.{},{}\n", n * 7919 % 1_000_003, n % 250, n % 60_000));
    let journal = format!("time,destination,destinationport\n{}", rows.collect::<String>());
    let folder = folder(&[("j.csv", journal.as_bytes())]);
    let (file, cache) = (path(&folder, "j.csv"), path(&folder, "cache.sqlite"));
    let said = quiet(&["import", "--cache", &cache, &file]);
    assert!(said.contains("200,000 new") && !said.contains("removed"), "{said}");
    let said = quiet(&["import", "--cache", &path(&folder, "small"), "--max-size", "2M", &file]);
    assert!(said.contains("oldest removed to keep the cache within its size"), "{said}");
}

#[test]
fn a_row_in_the_future_does_not_move_the_window() {
    let beacon = |n: u32| format!("{},192.0.2.1,443\n", 1_777_881_600 + 60 * n);
    let rows: String = (0..30).map(beacon).collect();
    let future = "4102444800,192.0.2.1,443\n"; // 2100
    let journal = format!("time,destination,destinationport\n{future}{rows}");
    let folder = folder(&[("j.csv", journal.as_bytes())]);
    let (file, cache) = (path(&folder, "j.csv"), path(&folder, "cache.sqlite"));
    let sql = "SELECT number_of_connections AS n FROM beacon_candidates";
    quiet(&["import", "--cache", &cache, &file]);
    for asked in [["--journal", &file, "--list"], ["--cache", &cache, "--now=latest"]] {
        let arguments: Vec<_> = ["query", "--csv"]
            .into_iter()
            .chain(asked.into_iter().filter(|a| *a != "--list"))
            .chain([sql])
            .collect();
        let output = run(&arguments);
        assert_eq!(stdout(&output), "n\n30\n");
        let said = stderr(&output);
        assert!(
            said.contains(
                "ends at 2026-05-04 08:29:00Z: 1 connection is dated later, up to 2100-01-01"
            ),
            "{said}"
        );
    }
    // Where all times are ahead of this machine's clock, what nearly all of them agree on counts.
    let ahead = |n: u32| format!("{},192.0.2.1,443\n", 4_102_444_800_i64 + 60 * i64::from(n));
    let rows: String = (0..30).map(ahead).collect();
    let last = "7258118400,192.0.2.1,443\n"; // 2200
    fs::write(&file, format!("time,destination,destinationport\n{rows}{last}")).unwrap();
    let output = run(&["query", "--list", &file, sql]);
    assert_eq!(stdout(&output), "n\n30\n", "{}", stderr(&output));
}
