//! The command itself: what README promises, and what bad input is told.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use beacon_candidates::cache;
use beacon_candidates::host::config;
use beacon_candidates::words;
use tempfile::TempDir;

pub const SAMPLE: &str = "docs/sample-journal.ndjson.gz";
const README: &str = include_str!("../README.md");

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_beacon_candidates"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments);
    command
}

pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The standard output of a call that must succeed without a word on standard error.
pub fn quiet(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success() && stderr(&output).is_empty(), "{}", stderr(&output));
    stdout(&output)
}

/// The standard error of a call that must fail with status 1.
pub fn failure(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    stderr(&output)
}

/// A scratch folder with files in it.
pub fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

pub fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

pub const JOURNAL: &[u8] = b"\
{\"time\":1000,\"pathname\":\"/bin/a\",\"pid\":1,\"destination\":\"192.0.2.1\",\"destinationport\":443}
{\"time\":1060,\"pathname\":\"/bin/a\",\"pid\":1,\"destination\":\"192.0.2.1\",\"destinationport\":443}
{\"time\":1120,\"pathname\":\"/bin/a\",\"pid\":1,\"destination\":\"192.0.2.1\",\"destinationport\":443}
";

#[test]
fn the_first_command_prints_what_readme_shows() {
    let line =
        README.lines().find(|line| line.starts_with("cargo run --release -- query")).unwrap();
    let (before, sql) = line.split_once('"').unwrap();
    let words: Vec<_> =
        before.split_whitespace().skip(4).chain([sql.trim_end_matches('"')]).collect();
    let shown = README.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(quiet(&words), shown);
}

#[test]
fn it_finds_every_implant_and_none_of_the_browsing() {
    let found = quiet(&[
        "query",
        "--journal",
        SAMPLE,
        "--csv",
        "SELECT pathname, destination, destinationport FROM beacon_candidates",
    ]);
    let found: BTreeSet<_> = found.lines().skip(1).collect();
    let labels = fs::read_to_string("docs/sample-journal.labels.csv").unwrap();
    let labelled = |word: &str| -> BTreeSet<&str> {
        let key_of = |line: &'static str| line.split_once(word).map(|(key, _)| &key[1..]);
        let labels: &'static str = labels.clone().leak();
        labels.lines().filter_map(key_of).collect()
    };
    let implants = labelled(",malicious,");
    assert_eq!(implants.len(), 14);
    // Nothing says of this one that it is benign.
    let unknown_timer = "C:\\Program Files\\Contoso RMM\\agent.exe,192.0.2.140,443";
    assert_eq!(found, implants.into_iter().chain([unknown_timer]).collect());
    assert!(labelled(",benign,browsing").len() > 100);
}

#[test]
fn simulate_makes_the_sample_again() {
    let folder = folder(&[]);
    let (journal, labels) = (path(&folder, "j.ndjson"), path(&folder, "labels.csv"));
    let said = quiet(&["simulate", "--hours", "10", "--output", &journal, "--labels", &labels]);
    let about = "6,007 connections in 10h from 2026-05-04 08:00:00Z, 1.56 MB";
    assert_eq!(said, format!("{journal}: {about}\n{labels}: 371 labels\n"));
    let mut sample = String::new();
    let file = fs::File::open(SAMPLE).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut sample).unwrap();
    assert!(fs::read_to_string(journal).unwrap() == sample, "the journal differs");
    let sample = fs::read_to_string("docs/sample-journal.labels.csv").unwrap();
    assert_eq!(fs::read_to_string(labels).unwrap(), sample);
}

#[test]
fn a_fleet_is_simulated_in_csv_and_labelled_by_host() {
    let folder = folder(&[]);
    let (journal, labels) = (path(&folder, "j.csv.zst"), path(&folder, "labels.csv"));
    quiet(&["simulate", "--hosts", "4", "--hours", "2", "--output", &journal, "--labels", &labels]);
    let hosts = quiet(&[
        "query",
        "--journal",
        &journal,
        "--list",
        "SELECT DISTINCT host FROM beacon_candidates WHERE include_all = 1 AND row_limit = 9999
         ORDER BY 1",
    ]);
    let hosts: Vec<_> = hosts.lines().skip(1).map(str::to_owned).collect();
    let numbered: Vec<_> = (1..=4).map(|number| format!("workstation-{number:04}")).collect();
    assert_eq!(hosts, numbered);
    let labels = fs::read_to_string(labels).unwrap();
    let infected: BTreeSet<_> = labels
        .lines()
        .filter(|line| line.contains(",malicious,"))
        .map(|line| line.split(',').next().unwrap())
        .collect();
    assert!(infected.is_subset(&["workstation-0001", "workstation-0004"].into()), "{infected:?}");
    assert!(!infected.is_empty());
}

#[test]
fn each_mode_writes_its_format() {
    let folder = folder(&[("j", JOURNAL)]);
    let journal = path(&folder, "j");
    let sql = "SELECT tuple, average_interval AS average, bytes_sent FROM beacon_candidates";
    for (mode, expected) in [
        (
            "--json",
            "[\n  {\"tuple\":\"192.0.2.1::443\",\"average\":\"60.0\",\"bytes_sent\":\"\"}\n]\n",
        ),
        ("--csv", "tuple,average,bytes_sent\n192.0.2.1::443,60.0,\n"),
        ("--list", "tuple|average|bytes_sent\n192.0.2.1::443|60.0|\n"),
        ("--line", "     tuple = 192.0.2.1::443\n   average = 60.0\nbytes_sent = \n"),
    ] {
        assert_eq!(quiet(&["query", "--journal", &journal, mode, sql]), expected, "{mode}");
    }
    let none = "SELECT tuple FROM beacon_candidates WHERE pathname = 'x'";
    assert_eq!(quiet(&["query", "--journal", &journal, "--json", none]), "[\n]\n");
}

#[test]
fn a_statement_may_come_on_standard_input_and_journals_before_it() {
    let other = String::from_utf8_lossy(JOURNAL).replace("192.0.2.1", "192.0.2.2");
    let folder = folder(&[("a", JOURNAL), ("b", other.as_bytes())]);
    let (a, b) = (path(&folder, "a"), path(&folder, "b"));
    let sql = "SELECT sum(number_of_connections) AS n FROM beacon_candidates";
    assert_eq!(quiet(&["query", "--list", "--journal", &a, &b, sql]), "n\n6\n");
    let mut child = command(&["query", "--list", "--journal", &a])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "n\n3\n");
}

#[test]
fn import_counts_what_it_read_and_shows_the_first_rejections() {
    let mut journal = JOURNAL.to_vec();
    for _ in 0..12 {
        journal.extend_from_slice(
            b"{\"time\":1,\"destination\":\"192.0.2.1\",\"destinationport\":70000}\n",
        );
    }
    let folder = folder(&[("j", &journal)]);
    let (file, cache) = (path(&folder, "j"), path(&folder, "cache.sqlite"));
    let output = run(&["import", "--cache", &cache, &file]);
    assert!(output.status.success());
    let report = stdout(&output);
    let counted = format!(
        "{file}: journal NDJSON: 3 connections read, 3 new, 0 duplicate; 12 lines rejected ("
    );
    assert!(report.starts_with(&counted) && report.contains("1.00 kB in "), "{report}");
    let complaints = stderr(&output);
    let first = format!("{file}:4: destinationport '70000' is not a whole number from 0 to 65535");
    assert_eq!(complaints.lines().next(), Some(&*first));
    let last = format!("{file}: 2 more lines rejected; --verbose shows them all");
    assert_eq!((complaints.lines().count(), complaints.lines().last()), (11, Some(&*last)));
    let verbose = stderr(&run(&["import", "--verbose", "--cache", &cache, &file]));
    assert_eq!(verbose.matches("70000").count(), 12);

    let again = stdout(&run(&["import", "--cache", &cache, &file]));
    assert!(again.contains("3 connections read, 0 new, 3 duplicate"), "{again}");
    let status = quiet(&["status", "--cache", &cache]);
    for said in [
        " kB\ngroups     1\nheld       3 connections\nfrom       1970-01-01 00:16:40Z\n",
        "9 connections, of which 6 duplicate; 36 lines rejected",
        " ago\n",
    ] {
        assert!(status.contains(said), "{status}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = folder(&[
        ("noise", &[0xff; 64]),
        ("empty", b""),
        ("array.json", b"[{\"time\":1}]"),
        ("dns.log", b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\n"),
        ("j", JOURNAL),
    ]);
    let cache = path(&folder, "cache.sqlite");
    for (name, said) in [
        ("noise", "is not a journal of a known kind; known are: our own NDJSON or CSV"),
        ("empty", "(it is empty)"),
        ("array.json", "no object has the fields of a connection; the first have time"),
        ("dns.log", "(it is Zeek's dns.log: give conn.log)"),
        ("missing", "No such file or directory"),
    ] {
        let file = path(&folder, name);
        let error = failure(&["import", "--cache", &cache, &file]);
        assert!(error.contains(said) && error.contains(&file), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // A file that can be read is, whatever the others are.
    let output = run(&["import", "--cache", &cache, &path(&folder, "noise"), &path(&folder, "j")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("3 new"));
    // Told what it is, the reader says what it is not.
    let output = run(&["import", "--cache", &cache, "--format", "zeek", &path(&folder, "j")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("3 skipped: of another log of Zeek's"));
}

#[test]
fn a_journal_that_is_cut_short_is_kept_up_to_there() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(&JOURNAL.repeat(3)).unwrap();
    let compressed = encoder.finish().unwrap();
    let folder = folder(&[("j.gz", &compressed[..compressed.len() - 60])]);
    let (file, cache) = (path(&folder, "j.gz"), path(&folder, "cache.sqlite"));
    let output = run(&["import", "--cache", &cache, &file]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("ends early"), "{}", stderr(&output));
    assert!(stdout(&output).contains("8 connections read"), "{}", stdout(&output));
}

#[test]
fn an_empty_window_says_what_the_cache_holds() {
    let folder = folder(&[("j", JOURNAL)]);
    let cache = path(&folder, "cache.sqlite");
    quiet(&["import", "--cache", &cache, &path(&folder, "j")]);
    let sql = "SELECT tuple FROM beacon_candidates";
    let output = run(&["query", "--cache", &cache, "--list", sql]);
    assert!(output.status.success());
    let hint = stderr(&output);
    assert!(hint.contains("1970-01-01 00:16:40Z") && hint.contains("--now latest"), "{hint}");
    for now in ["latest", "1120", "1970-01-01T00:18:40Z", "1970-01-01 00:18:40Z"] {
        let rows = quiet(&["query", "--cache", &cache, "--now", now, "--list", sql]);
        assert_eq!(rows, "tuple\n192.0.2.1::443\n", "{now}");
    }
}

#[test]
fn bad_statements_and_caches_are_one_clear_sentence() {
    const ALL: &str = "SELECT * FROM beacon_candidates";
    let folder = folder(&[("j", JOURNAL)]);
    let journal = path(&folder, "j");
    for (sql, said) in [
        ("SELECT nonsense FROM beacon_candidates", "no such column: nonsense"),
        ("SELEC 1", "near \"SELEC\": syntax error"),
        ("SELECT * FROM beacon_candidates WHERE hours = 'x'", "hours = 'x' is not possible"),
    ] {
        let error = failure(&["query", "--journal", &journal, sql]);
        assert!(error.contains(said) && error.lines().count() == 1, "{error}");
    }
    let error = failure(&["query", "--cache", &path(&folder, "none"), ALL]);
    assert!(error.contains("there is no cache at"), "{error}");
    for (verb, sql) in [("query", Some(ALL)), ("status", None)] {
        let folder = folder.path().to_str().unwrap();
        let arguments: Vec<_> = [verb, "--cache", folder].into_iter().chain(sql).collect();
        let error = failure(&arguments);
        assert!(
            error.ends_with(&format!("cannot open the cache {folder}: it is a folder\n")),
            "{error}"
        );
    }
    let error = failure(&["import", "--cache", &path(&folder, "j/cache"), &journal]);
    assert!(error.contains(&format!("{journal} is no folder")), "{error}");
    let error = failure(&["query", "--cache", &journal, ALL]);
    assert!(error.contains("is no cache of beacon_candidates"), "{error}");
    let error = failure(&["import", "--cache", &journal, &journal]);
    assert!(error.contains("is no cache of beacon_candidates"), "{error}");
    assert_eq!(fs::read(Path::new(&journal)).unwrap(), JOURNAL);
}

#[test]
fn arguments_that_cannot_be_understood_are_status_2() {
    let folder = folder(&[("j", JOURNAL)]);
    let journal = path(&folder, "j");
    for (arguments, said) in [
        (&["query", "--cache", "a", "--journal", "b", "SELECT 1"][..], "cannot be used with"),
        (
            &["query", "--journal", &journal, "--josn", "SELECT 1"],
            "similar argument exists: '--json'",
        ),
        (&["query", "--journal", &journal, "--now", "soon", "SELECT 1"], "'soon' is not a time"),
        (&["query", "j", "SELECT 1"], "'j' stands before the statement"),
        (&["query", "--journal", &journal, " "], "there is no statement"),
        (&["query", "--journal", &journal, "-- a comment"], "there is no statement"),
        (&["query", "--journal", &journal], "there is no statement"),
        (&["query", "--journal", "-"], "give the statement as an argument"),
        (&["report", "--journal", &journal, "--html", "-", "--hours", "x"], "'x' for '--hours"),
        (&["report", "--journal", &journal, "--html", "-", "--hours", "-1"], "'-1' for '--hours"),
        (&["simulate", "--start", "soon"], "'soon' is not a time"),
        (&["simulate", "--hours", "9999999"], "a year is the longest"),
        (&["--socket", "/nowhere", "query", "SELECT 1"], "give no command"),
        (&["--verbose"], "say what to do"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn a_statement_may_begin_with_a_comment() {
    let folder = folder(&[("j", JOURNAL)]);
    let sql = "-- which?\nSELECT tuple FROM beacon_candidates";
    let rows = quiet(&["query", "--list", "--journal", &path(&folder, "j"), sql]);
    assert_eq!(rows, "tuple\n192.0.2.1::443\n");
}

#[test]
fn a_window_in_a_gap_is_told_of_too() {
    let folder = folder(&[("j", JOURNAL)]);
    let journal = path(&folder, "j");
    let query = |condition: &str, now: &str| {
        let sql = format!("SELECT tuple FROM beacon_candidates WHERE {condition}");
        stderr(&run(&["query", "--journal", &journal, "--now", now, "--list", &sql]))
    };
    assert!(query("hours = 0.005 AND include_all = 1", "1050").contains("--now latest"));
    assert_eq!(query("hours = 0.005 AND include_all = 1", "1060"), "");
    assert_eq!(query("pathname = 'x'", "1060"), "");
    // Passed over unread, but there.
    assert_eq!(query("hours = 1 AND min_connections = 9", "1120"), "");
}

/// Each of these ended in a panic, or in a complaint about the pipe.
#[cfg(target_os = "linux")]
#[test]
fn output_that_nobody_reads_is_no_crash() {
    let folder = folder(&[
        ("j", JOURNAL),
        ("bad", b"{\"time\":1,\"destination\":\"a\",\"destinationport\":70000}\n"),
    ]);
    let (file, bad, cache) =
        (path(&folder, "j"), path(&folder, "bad"), path(&folder, "cache.sqlite"));
    quiet(&["import", "--cache", &cache, &file]);
    let sql = "SELECT * FROM beacon_connections WHERE tuple LIKE '%'";
    for arguments in [
        &["status", "--cache", &cache][..],
        &["import", "--cache", &cache, &file],
        &["query", "--journal", &file, "--csv", sql],
        &["query", "--journal", &file, "--table", sql],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("No space left"), "{}", stderr(&output));
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(&["import", "--cache", &cache, &bad]).stderr(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_journal_cannot_steer_the_terminal_nor_fill_it() {
    let line = |time: &str| {
        format!("{{\"time\":\"{time}\",\"destination\":\"192.0.2.1\",\"destinationport\":1}}\n")
    };
    let journal = line("\\u001b[2J\\u202e") + &line(&"9".repeat(100_000));
    let folder = folder(&[("j", journal.as_bytes()), ("\u{1b}[2J", &[0xff; 64])]);
    let cache = path(&folder, "cache.sqlite");
    let complaints = failure(&["import", "--cache", &cache, &path(&folder, "j")]);
    assert!(!complaints.contains(['\u{1b}', '\u{202e}']), "{complaints}");
    assert!(complaints.len() < 1000, "{}", complaints.len());
    let error = failure(&["import", "--cache", &cache, &path(&folder, "\u{1b}[2J")]);
    assert!(error.contains("/\u{fffd}[2J is not a journal"), "{error}");
}

#[test]
fn a_quiet_file_does_not_fail_an_import_of_others() {
    let quiet_log =
        b"#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.resp_h\tid.resp_p\tproto\n";
    let folder = folder(&[("j", JOURNAL), ("conn.log", quiet_log)]);
    let cache = path(&folder, "cache.sqlite");
    quiet(&["import", "--cache", &cache, &path(&folder, "j"), &path(&folder, "conn.log")]);
    let output = run(&["import", "--cache", &cache, &path(&folder, "conn.log")]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_of_processes_only_is_read() {
    let log = include_str!("fixtures/osquery_results.log");
    let process = log.lines().find(|line| line.contains("pack_proc_processes")).unwrap();
    let folder = folder(&[("osqueryd.results.log", process.as_bytes())]);
    let (file, cache) = (path(&folder, "osqueryd.results.log"), path(&folder, "cache.sqlite"));
    let report = quiet(&["import", "--cache", &cache, &file]);
    let counted = "0 connections read, 0 new, 0 duplicate; 0 lines rejected; 1 process start read";
    assert!(report.contains(counted), "{report}");
    // The name of this source is longer than most.
    let status = quiet(&["status", "--cache", &cache]);
    for line in ["groups      0\n", "osquery_log imported at ", "            0 connections, of "] {
        assert!(status.contains(&format!("\n{line}")), "{status}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_query_leaves_no_copy_of_the_journal() {
    let folder = folder(&[]);
    let mut child = command(&["query", "--journal", "-", "SELECT 1"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let files = || fs::read_dir(folder.path()).unwrap().flatten();
    // The handler is set before the cache is made.
    while !files().any(|file| file.path().join("cache.sqlite").exists()) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // To wait for a child closes its standard input, which would be an empty journal.
    let journal = child.stdin.take();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(128 + 15));
    assert_eq!(files().count(), 0);
    drop(journal);
}

/// An import that is killed outright, with batches committed and others not.
#[cfg(unix)]
#[test]
fn a_killed_import_can_be_run_again() {
    let folder = folder(&[]);
    let cache = path(&folder, "cache.sqlite");
    let lines = 1_100_000; // more than go into one transaction
    let line = |index: usize| {
        let (time, port) = (1000 + index / 7, 400 + index % 5);
        format!("{time},192.0.2.1,{port}\n")
    };
    let header = "time,destination,destinationport\n".to_owned();
    let journal: String = std::iter::once(header).chain((0..lines).map(line)).collect();
    let file = path(&folder, "j.csv");
    fs::write(&file, &journal).unwrap();

    // Fed by hand, so that it cannot finish before it is killed.
    let mut child = command(&["import", "--cache", &cache, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let last_line = journal.trim_end().rfind('\n').unwrap();
    stdin.write_all(&journal.as_bytes()[..last_line]).unwrap();
    let count = || {
        let reader = beacon_candidates::cache::Reader::open(Path::new(&cache)).ok()?;
        reader.totals().ok().map(|totals| totals.connections).filter(|count| *count > 0)
    };
    let committed = (0..3000).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        count()
    });
    let committed = committed.expect("a transaction within a minute");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(committed < lines as u64);
    for expected_new in [lines as u64 - committed, 0] {
        let report = quiet(&["import", "--cache", &cache, &file]);
        let new = words::number(expected_new);
        assert!(report.contains(&format!("1,100,000 connections read, {new} new")), "{report}");
    }
    assert_eq!(count(), Some(lines as u64));
}

#[test]
fn assets_writes_what_the_packages_take() {
    let folder = folder(&[]);
    quiet(&["assets", "--out", &path(&folder, "new")]);
    for name in [
        "beacon_candidates.1",
        "beacon_candidates-query.1",
        "beacon_candidates.bash",
        "_beacon_candidates",
        "beacon_candidates.fish",
    ] {
        assert!(folder.path().join("new").join(name).is_file(), "{name}");
    }
    let read = |name: &str| fs::read_to_string(folder.path().join("new").join(name)).unwrap();
    // These verbs are for packagers and developers only.
    for verb in ["assets", "reference"] {
        assert!(!folder.path().join(format!("new/beacon_candidates-{verb}.1")).exists());
        assert!(!quiet(&["--help"]).contains(verb));
    }
    for shell in ["beacon_candidates.bash", "_beacon_candidates", "beacon_candidates.fish"] {
        let completions = read(shell);
        assert!(completions.contains("simulate") && !completions.contains("assets"), "{shell}");
    }
    // An example that is filled to the width of a page cannot be typed.
    let page = read("beacon_candidates-query.1");
    assert!(page.contains(".SH EXAMPLES\n.nf\n  beacon_candidates query "), "{page}");
}

#[test]
fn help_names_the_files_that_are_read_by_default() {
    let help = quiet(&["--help"]);
    assert!(help.contains(&config::default_path().display().to_string()), "{help}");
    assert!(help.contains(&cache::system_path().unwrap().display().to_string()), "{help}");
}
