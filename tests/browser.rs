//! The report in Chromium: on any width, in light and dark, and on paper.
//!
//! Where there is no Chromium the tests pass with a line that says so, unless
//! BEACON_REQUIRE_PEER=1.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::read::ZlibDecoder;
use memchr::memmem;
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{SAMPLE, folder, path};
use crate::report::{hostile_journal, report};

const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Measures pages in iframes, with everything unfolded, and writes what it finds.
const HARNESS: &str = include_str!("browser/harness.html");

/// What a browser without a window writes to standard output; `None` where there is no browser.
fn browse(page: &Path, options: &[&str]) -> Option<String> {
    let profile = TempDir::new().unwrap();
    let start = |name: &&str| {
        Command::new(name)
            .args("--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(' '))
            .args("--disable-background-networking --disable-component-update".split(' '))
            .arg("--disable-sync")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(options)
            .arg(page)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()
    };
    let Some(mut browser) = NAMES.iter().find_map(start) else {
        let is_required = std::env::var_os("BEACON_REQUIRE_PEER").is_some();
        assert!(!is_required, "the browser is required: none of {NAMES:?} is installed");
        // Not through the tests' captured output.
        let _ = writeln!(std::io::stderr(), "skipped, no browser: none of {NAMES:?} is installed");
        return None;
    };
    let mut out = browser.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut out).unwrap_or_default());
    let begin = Instant::now();
    while browser.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(120) {
            browser.kill().unwrap();
            browser.wait().unwrap();
            panic!("the browser does not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(reader.join().unwrap())
}

/// What the harness finds of each page at each width.
fn measured(pages: &[String], widths: &[u32], options: &[&str]) -> Option<Vec<Value>> {
    let folder = folder(&[]);
    let file = folder.path().join("harness.html");
    let mut harness = HARNESS.to_owned();
    for page in pages {
        let page = page.replace('&', "&amp;").replace('"', "&quot;");
        for width in widths {
            let attributes = format!("width={width} height=900 style=border:0");
            harness += &format!("<iframe {attributes} srcdoc=\"{page}\"></iframe>");
        }
    }
    fs::write(&file, harness).unwrap();
    let document = browse(&file, &[&["--dump-dom"], options].concat())?;
    let found = document.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    let found: Vec<Value> = serde_json::from_str(found.unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {document}"));
    assert_eq!(found.len(), pages.len() * widths.len());
    Some(found)
}

#[test]
fn it_shows_on_any_width_without_scrolling_sideways() {
    let folder = folder(&[("j", hostile_journal().as_bytes())]);
    let pages = [report(SAMPLE, &[]), report(&path(&folder, "j"), &["--limit", "1000"])];
    let Some(found) = measured(&pages, &[320, 360, 1200], &[]) else {
        return;
    };
    for page in found {
        assert!(page["contentWidth"].as_u64() <= page["width"].as_u64(), "{page}");
        assert!(page["height"].as_u64() > Some(1000), "{page}");
        for none in ["beyond", "scripts", "handlers"] {
            assert_eq!(page[none], 0, "{page}");
        }
        assert_eq!(page["hacked"], false, "{page}");
    }
}

/// WCAG 2.2, 1.4.3: text has a contrast of 4.5 to 1.
#[test]
fn text_can_be_read_in_light_and_dark() {
    let pages = [report(SAMPLE, &[])];
    for (is_dark, options) in [(false, &[][..]), (true, &["--force-dark-mode"])] {
        let Some(found) = measured(&pages, &[1200], options) else {
            return;
        };
        let page = &found[0];
        assert_eq!(page["paper"].as_f64().unwrap() < 0.1, is_dark, "{page}");
        assert!(page["texts"].as_u64() > Some(1000), "{page}");
        assert!(page["contrast"].as_f64() >= Some(4.5), "{page}");
    }
}

#[test]
fn it_prints_and_no_sheet_is_blank() {
    let page = report(SAMPLE, &[]);
    let folder = folder(&[("report.html", page.as_bytes())]);
    let pdf = folder.path().join("report.pdf");
    let option = format!("--print-to-pdf={}", pdf.display());
    if browse(&folder.path().join("report.html"), &[&option, "--no-pdf-header-footer"]).is_none() {
        return;
    }
    let texts_of_pages = texts_of_pages(&fs::read(pdf).unwrap());
    // A candidate with its three pictures takes half a sheet at least.
    assert!(texts_of_pages.len() >= 15 / 2, "{texts_of_pages:?}");
    assert!(texts_of_pages.iter().all(|texts| *texts > 10), "{texts_of_pages:?}");
}

/// How many runs of text each page of a PDF shows, as Chromium writes it: an object for what a
/// page shows, compressed.
fn texts_of_pages(pdf: &[u8]) -> Vec<usize> {
    let after = |from: usize, text: &str| {
        let found = memmem::find(&pdf[from..], text.as_bytes());
        from + found.unwrap_or_else(|| panic!("no '{text}' in the PDF")) + text.len()
    };
    let contents = memmem::find_iter(pdf, "/Contents ").map(|at| {
        let number = pdf[at + "/Contents ".len()..].split(|byte| *byte == b' ').next().unwrap();
        let number = std::str::from_utf8(number).unwrap();
        let stream = after(after(0, &format!("\n{number} 0 obj\n")), "stream\n");
        let mut shown = Vec::new();
        ZlibDecoder::new(&pdf[stream..]).read_to_end(&mut shown).unwrap();
        memmem::find_iter(&shown, " Tj").count()
    });
    contents.collect()
}
