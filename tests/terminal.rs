//! On a terminal: tables that fit it, colour, and progress that leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use crate::cli::{JOURNAL, SAMPLE, command, folder, path, quiet, stderr};

/// A terminal of this width: what programs write to, and where it is shown.
fn terminal(width: u16) -> (File, File) {
    let shown = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&shown).unwrap();
    unlockpt(&shown).unwrap();
    let name = ptsname(&shown, Vec::new()).unwrap().into_string().unwrap();
    let program_side = OpenOptions::new().read(true).write(true).open(name).unwrap();
    let size = Winsize { ws_row: 50, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&program_side, size).unwrap();
    (program_side, File::from(shown))
}

/// Starts the command, its output and its messages on a terminal.
fn start(width: u16, arguments: &[&str], variables: &[(&str, &str)]) -> (Child, File) {
    let (program_side, shown) = terminal(width);
    let child = command(arguments)
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(program_side.try_clone().unwrap())
        .stderr(program_side)
        .spawn()
        .unwrap();
    (child, shown)
}

/// Everything that is still written to a terminal.
fn rest(mut shown: File) -> String {
    let mut bytes = Vec::new();
    // An error says that nobody has the terminal open any more. Linux may say so while it still
    // carries the last lines over, which then are there at the second attempt.
    for _ in 0..2 {
        let _ = shown.read_to_end(&mut bytes);
    }
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

/// What a command writes to a terminal, and its exit status.
fn run(width: u16, arguments: &[&str], variables: &[(&str, &str)]) -> (String, Option<i32>) {
    let (mut child, shown) = start(width, arguments, variables);
    drop(child.stdin.take());
    let text = rest(shown);
    (text, child.wait().unwrap().code())
}

/// What is left of it on the screen: all after the progress was cleared for the last time.
fn left(text: &str) -> &str {
    text.rsplit("\u{1b}[2K").next().unwrap()
}

/// A query over a cache, so without progress, and without colour.
fn query(width: u16, cache: &str, sql: &str) -> String {
    let arguments = ["query", "--cache", cache, "--now", "latest", sql];
    let (text, status) = run(width, &arguments, &[("NO_COLOR", "1")]);
    assert_eq!(status, Some(0), "{text}");
    text
}

/// The rows of a table; every line of it is as wide as the first, and that is not too wide.
fn fitting_table(width: u16, text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let widths: Vec<_> = lines.iter().map(|line| line.width()).collect();
    assert!(lines[0].starts_with("+-"), "{text}");
    assert!(widths[0] <= width.into() && widths.iter().all(|each| *each == widths[0]), "{text}");
    lines
}

const QUESTION: &str = "SELECT beacon_score, period, jitter, missed_checkins AS missed, pathname,
    sophosPID, tuple FROM beacon_candidates WHERE group_by = 'process_port'";

#[test]
fn a_table_fits_the_terminal_or_becomes_lines() {
    let folder = folder(&[]);
    let cache = path(&folder, "cache.sqlite");
    quiet(&["import", "--cache", &cache, SAMPLE]);
    for width in [80, 100, 120, 200] {
        let text = query(width, &cache, QUESTION);
        let lines = fitting_table(width, &text);
        // A header is broken between words, a path between folders, a number not at all.
        let header =
            if width == 80 { "| beacon_ |  period |" } else { "| beacon_score |  period |" };
        assert!(lines[1].starts_with(header), "{text}");
        let of_powershell = if width == 200 {
            r"|       0.9993 | 300.011 | 0.0    |      0 | C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe |"
        } else {
            r" 0.9993 | 300.011 | 0.0    |      0 | C:\Windows\"
        };
        assert!(text.contains(of_powershell), "{text}");
    }
    for (width, sql) in [
        (60, QUESTION),
        (80, "SELECT * FROM beacon_candidates"),
        (200, "SELECT * FROM beacon_candidates"),
    ] {
        let text = query(width, &cache, sql);
        assert!(
            text.contains(
                "pathname = C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe\n"
            ),
            "{text}"
        );
        assert!(!text.contains("+-"), "{text}");
    }
    // One long text would make a table of little but blanks.
    let long = "SELECT pid, 1 AS one, printf('%.*c', 2000, 'x') AS text FROM beacon_candidates";
    assert!(query(120, &cache, long).starts_with(" pid = "));
    let none = query(80, &cache, "SELECT pathname FROM beacon_candidates WHERE pathname = 'x'");
    assert_eq!(none, "+----------+\n| pathname |\n+==========+\n+----------+\n");
}

#[test]
fn wide_and_invisible_characters_do_not_bend_a_table() {
    let paths = [
        "C:\\Users\\山田太郎\\とても長いフォルダ名前です\\さらに長い名前のプログラムでとても長い.exe",
        "/opt/ünïcödé/é\u{301}/очень-длинное-имя-файла-без-разделителей/прога",
        "/tmp/\u{1b}[31mred\u{202e}exe\n\t\u{2028}\u{200b}\u{ad}.txt",
        "/bin/a",
    ];
    let connection = |index: usize| {
        json!({"time": 60 * index, "pathname": paths[index % 4], "destination": "2001:db8::1",
               "destinationport": 443})
    };
    let journal: String = (0..40).map(|index| format!("{}\n", connection(index))).collect();
    let folder = folder(&[("j", journal.as_bytes())]);
    let cache = path(&folder, "cache.sqlite");
    quiet(&["import", "--cache", &cache, &path(&folder, "j")]);
    for width in [60, 80, 120, 200] {
        let text = query(width, &cache, "SELECT pathname, tuple, period FROM beacon_candidates");
        let lines = fitting_table(width, &text);
        assert!(lines.iter().any(|line| line.contains("�[31mred�exe�����.txt ")), "{text}");
    }
    // What could steer the terminal is kept for programs only.
    let csv =
        ["query", "--cache", &cache, "--now", "latest", "--csv", "SELECT * FROM beacon_candidates"];
    assert!(!run(80, &csv, &[]).0.contains('\u{1b}'));
    assert!(quiet(&csv).contains('\u{1b}'));
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let folder = folder(&[("j", JOURNAL)]);
    let (file, cache) = (path(&folder, "j"), path(&folder, "cache.sqlite"));
    quiet(&["import", "--cache", &cache, &file]);
    let sql = "SELECT tuple, pathname FROM beacon_candidates";
    let table = ["query", "--cache", &cache, "--now", "latest", sql];
    let error = ["query", "--cache", &cache, "SELECT nonsense"];
    let hint = ["query", "--cache", &cache, "--json", sql];
    let status = ["status", "--cache", &cache];
    let help = ["query", "--help"];
    for (arguments, styled) in [
        (&table[..], "\u{1b}[1m| tuple          | pathname |\u{1b}[0m\n"),
        (&error, "\u{1b}[1m\u{1b}[31mbeacon_candidates: \u{1b}[0mno such column"),
        (&hint, "[\n]\n\u{1b}[33mThe window holds no connection"),
        (&status, "journal    \u{1b}[32mimported\u{1b}[0m at "),
        (&help, "\u{1b}[1m\u{1b}[4mExamples:\u{1b}[0m\n"),
    ] {
        let (text, _) = run(80, arguments, &[]);
        assert!(text.contains(styled), "{text:?}");
        for refusal in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            let (text, _) = run(80, arguments, &[refusal]);
            assert!(!text.contains('\u{1b}'), "{refusal:?}: {text:?}");
        }
        let piped = command(arguments).env("TERM", "xterm").output().unwrap();
        assert!(!piped.stdout.contains(&0x1b) && !piped.stderr.contains(&0x1b), "{arguments:?}");
    }
    for mode in ["--json", "--csv", "--line", "--list"] {
        let (text, _) = run(80, &["query", "--cache", &cache, "--now", "latest", mode, sql], &[]);
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    // Each stream is judged by itself, and rows in a pipe stay as they are.
    let (program_side, shown) = terminal(80);
    let output = command(&table).stderr(program_side).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!output.stdout.contains(&0x1b));
    assert_eq!(rest(shown), "");
    let (program_side, shown) = terminal(80);
    let output = command(&error).stdout(program_side).env("TERM", "xterm").output().unwrap();
    assert!(!stderr(&output).contains('\u{1b}'));
    assert_eq!(rest(shown), "");
}

#[test]
fn progress_is_shown_and_cleared_away() {
    let folder = folder(&[("j", JOURNAL), ("noise", &[0xff; 64])]);
    let cache = path(&folder, "cache.sqlite");
    for (name, status, said) in [
        ("j", 0, "3 connections read"),
        ("noise", 1, "noise is not a journal"),
        ("missing", 1, "No such file"),
    ] {
        let (text, code) = run(80, &["import", "--cache", &cache, &path(&folder, name)], &[]);
        assert_eq!(code, Some(status), "{text:?}");
        assert!(text.contains("\u{1b}[2K"), "{text:?}");
        let left = left(&text);
        assert!(left.contains(said) && left.lines().count() == 1, "{left:?}");
    }
}

#[test]
fn an_interrupted_import_says_so_on_a_clean_line() {
    let folder = folder(&[]);
    let cache = path(&folder, "cache.sqlite");
    let (mut child, mut shown) = start(80, &["import", "--cache", &cache, "-"], &[]);
    child.stdin.as_ref().unwrap().write_all(JOURNAL).unwrap();
    let mut part = [0; 4096];
    // The handler is set before the progress is shown.
    assert!(shown.read(&mut part).unwrap() > 0);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let text = rest(shown);
    assert_eq!(child.wait().unwrap().code(), Some(128 + 2), "{text:?}");
    let left = left(&text);
    assert!(left.contains("interrupted; to go on") && left.lines().count() == 1, "{left:?}");
}
