//! The report: that it says what the tables say, and that nothing in a journal becomes more than
//! text on it.

use std::fs;

use html5gum::{HtmlString, Token, Tokenizer};
use serde_json::Value;

use crate::cli::{JOURNAL, SAMPLE, failure, folder, path, quiet, run, stderr, stdout};

/// The report over a journal, which must succeed without a word on standard error.
pub fn report(journal: &str, more: &[&str]) -> String {
    quiet(&[&["report", "--journal", journal, "--html", "-"], more].concat())
}

/// The rows of a statement over a journal.
fn rows(journal: &str, sql: &str) -> Vec<serde_json::Map<String, Value>> {
    serde_json::from_str(&quiet(&["query", "--journal", journal, "--json", sql])).unwrap()
}

fn utf8(text: &HtmlString) -> String {
    String::from_utf8(text.0.clone()).unwrap()
}

/// A page as a browser's parser sees it.
struct Page {
    /// The start tags, with their attributes.
    tags: Vec<(String, Vec<(String, String)>)>,
    /// Each text with the tags and classes that it is in.
    texts: Vec<(Vec<String>, String)>,
}

impl Page {
    /// Of a page that has no error, and whose tags are all closed in order.
    fn of(html: &str) -> Page {
        let mut page = Page { tags: Vec::new(), texts: Vec::new() };
        let mut open: Vec<String> = Vec::new();
        for Ok(token) in Tokenizer::new(html) {
            match token {
                Token::StartTag(tag) => {
                    let name = utf8(&tag.name);
                    let attributes =
                        tag.attributes.iter().map(|(name, value)| (utf8(name), utf8(value)));
                    let attributes: Vec<_> = attributes.collect();
                    let class = attributes.iter().find(|(name, _)| name == "class");
                    if name != "meta" {
                        let class = class.map(|(_, class)| format!(".{class}"));
                        open.push(name.clone() + &class.unwrap_or_default());
                    }
                    page.tags.push((name, attributes));
                }
                Token::EndTag(tag) => {
                    let name = utf8(&tag.name);
                    let opened = open.pop().unwrap();
                    assert_eq!(opened.split('.').next(), Some(&*name));
                }
                Token::String(text) => page.texts.push((open.clone(), utf8(&text))),
                Token::Doctype(_) => {}
                Token::Error(error) if *error == html5gum::Error::NoncharacterInInputStream => {}
                token => panic!("{token:?}"),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        page
    }

    fn number_of(&self, name: &str) -> usize {
        self.tags.iter().filter(|(each, _)| each == name).count()
    }

    /// The texts inside of `place`, a tag with its class, joined for each of them that is not
    /// interrupted by another.
    fn texts_in(&self, place: &str) -> Vec<String> {
        let mut texts: Vec<(usize, String)> = Vec::new();
        for (at, (open, text)) in self.texts.iter().enumerate() {
            if !open.iter().any(|each| each == place) {
                continue;
            }
            match texts.last_mut() {
                Some((last, before)) if *last + 1 == at => {
                    *last = at;
                    before.push_str(text);
                }
                _ => texts.push((at, text.clone())),
            }
        }
        texts.into_iter().map(|(_, text)| text).collect()
    }

    /// All that a reader sees.
    fn text(&self) -> String {
        let shown = self.texts.iter().filter(|(open, _)| !open.iter().any(|tag| tag == "style"));
        shown.map(|(_, text)| text.as_str()).collect()
    }

    /// Runs nothing and loads nothing.
    fn must_be_inert(&self) {
        const TAGS: &str = "a article bdi body details desc dd div dl dt figcaption figure h1 h2 \
                            head header html li line main meta nav ol p path rect span strong \
                            style summary svg text title ul";
        for (name, attributes) in &self.tags {
            assert!(TAGS.split_whitespace().any(|known| known == name), "<{name}>");
            for (attribute, value) in attributes {
                assert!(!attribute.starts_with("on"), "{attribute}");
                assert!(!["src", "srcset", "style", "xlink:href"].contains(&&**attribute));
                assert!(attribute != "href" || value.starts_with("#c"), "{value}");
                assert!(!value.contains("//"), "{attribute}={value}");
            }
        }
        let refresh = ("http-equiv".to_owned(), "refresh".to_owned());
        assert!(!self.tags.iter().any(|(_, attributes)| attributes.contains(&refresh)));
        for (open, text) in &self.texts {
            let is_style = open.iter().any(|tag| tag == "style");
            assert!(!is_style || !text.contains("url(") && !text.contains("@import"));
            let steers =
                |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(steers), "{text:?}");
        }
    }
}

#[test]
fn the_page_says_what_the_table_says() {
    let page = Page::of(&report(SAMPLE, &[]));
    page.must_be_inert();
    let expected = rows(SAMPLE, "SELECT * FROM beacon_candidates");
    assert_eq!(page.number_of("article"), expected.len());

    let names = page.texts_in("dt");
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let columns: Vec<&str> = expected[0].keys().map(String::as_str).collect();
    assert_eq!(names.windows(columns.len()).filter(|some| *some == columns).count(), 15);
    let values: Vec<String> = page
        .texts
        .iter()
        .filter(|(open, _)| {
            open.iter().any(|each| each == "dl.columns") && open.ends_with(&["dd".into()])
        })
        .map(|(_, text)| text.clone())
        .collect();
    let expected_values: Vec<_> = expected
        .iter()
        .flat_map(|row| row.values().map(|value| value.as_str().unwrap()))
        .map(|value| if value.is_empty() { "–" } else { value })
        .collect();
    assert_eq!(values, expected_values);

    // What is drawn is what was counted.
    let captions = page.texts_in("figcaption");
    for (row, captions) in expected.iter().zip(captions.chunks(3)) {
        let checkins = row["checkins"].as_str().unwrap();
        assert!(
            captions[0].starts_with(&format!("Check-ins {checkins} check-ins")),
            "{captions:?}"
        );
        let intervals = checkins.parse::<u32>().unwrap() - 1;
        assert!(captions[1].starts_with(&format!("Intervals {intervals} intervals")));
        assert!(captions[2].starts_with("Bytes per check-in Sent: "), "{captions:?}");
    }
    assert!(!page.text().contains("The pictures show"));
}

#[test]
fn the_summary_counts_groups_and_rules_are_named() {
    let page = Page::of(&report(SAMPLE, &["--limit", "4"]));
    let groups = rows(
        SAMPLE,
        "SELECT tuple FROM beacon_candidates
         WHERE include_all = 1 AND include_suppressed = 1 AND row_limit = 100000",
    );
    let suppressed = rows(
        SAMPLE,
        "SELECT suppressed_by FROM beacon_candidates
         WHERE include_suppressed = 1 AND suppressed_by <> ''",
    );
    let counts: Vec<String> = vec![groups.len().to_string(), "20".into(), "5".into(), "4".into()];
    assert_eq!(page.texts_in("dd.big"), counts);
    let text = page.text();
    assert!(text.contains("11 more are not shown"), "{text}");
    assert!(text.contains("2026-05-03 17:59:52Z to 2026-05-04 17:59:52Z (24 h)"), "{text}");
    let rules: Vec<_> =
        suppressed.iter().map(|row| row["suppressed_by"].as_str().unwrap()).collect();
    assert_eq!(page.texts_in("span.rule"), rules);
    assert!(!text.contains("Suppressed: 5 groups that rules know: "));

    // The same window for both, and rules of one's own.
    let folder = folder(&[(
        "rules.toml",
        b"[[rule]]\nname = \"contoso-rmm\"\nclass = \"remote_management\"\nreason = \"<b>ours</b>\"
          pathname = ['?:\\Program Files\\Contoso RMM\\**']\n",
    )]);
    let rules = path(&folder, "rules.toml");
    let page = report(SAMPLE, &["--suppressions", &rules, "--hours", "2"]);
    let page = Page::of(&page);
    assert!(page.text().contains("contoso-rmm remote management: <b>ours</b>"));
    assert!(page.text().contains("(2 h)"));
}

/// Strings that were meant for something else than to be read.
fn hostile() -> Vec<String> {
    [
        "</title></style></svg><script>parent.hacked=1</script>",
        "\"><img src=x onerror=parent.hacked=1>",
        "' onmouseover='parent.hacked=1' x=\"",
        "<!--",
        "--><script>",
        "]]>",
        "<![CDATA[",
        "javascript:parent.hacked=1",
        "https://collector.example/?q=1",
        "&lt;script&gt;&#60;script&#62;",
        "{{7*7}}${7*7}<%= 7*7 %>",
        "/tmp/\u{202e}gpj.exe\u{2066}",
        "bell\u{7}escape\u{1b}[2Jdelete\u{7f}\u{9b}next\u{85}line\nfeed\r\ttab",
        "\u{feff}\u{200b}\u{fffe}",
        "[a-z]*?[^]",
        "/usr/bin/%s' OR 1=1 --",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([format!("/opt/{}", "x".repeat(30_000)), "nul\0byte".to_owned(), "\u{5d0}".repeat(400)])
    .collect()
}

/// A journal in which each of these strings is every text of a beacon, but for its destination, which
/// nothing but an address or a name can be.
pub fn hostile_journal() -> String {
    let mut journal = String::new();
    for (index, text) in hostile().iter().enumerate() {
        for connection in 0..12 {
            let line = serde_json::json!({
                "time": 1_000_000 + connection * 60 + index,
                "host": text,
                "pathname": text,
                "cmdline": text,
                "domain": text,
                "destination": format!("192.0.2.{index}"),
                "destinationport": 443,
                "pid": index + 1,
                "bytes_sent": 100 * connection,
            });
            journal += &format!("{line}\n");
        }
    }
    journal
}

#[test]
fn what_a_journal_holds_is_text_and_nothing_else() {
    let folder = folder(&[("j", hostile_journal().as_bytes())]);
    let journal = path(&folder, "j");
    let page = Page::of(&report(&journal, &["--limit", "1000"]));
    page.must_be_inert();
    let found = rows(&journal, "SELECT pathname FROM beacon_candidates");
    assert_eq!(page.number_of("article"), found.len());
    assert_eq!(found.len(), hostile().len());
    let text = page.text();
    for written in hostile().iter().filter(|text| text.len() < 300) {
        let shown = beacon_candidates::journal::printable(written);
        assert!(text.contains(shown.trim()), "{written:?}");
    }
    assert!(text.contains("more characters)"));
    // All are drawn but the one that cannot be asked for.
    assert_eq!(text.matches("The pictures show 0 of 12 connections.").count(), 1);
    assert_eq!(text.matches("The pictures show").count(), 1);
}

#[test]
fn names_that_differ_in_little_are_not_mixed() {
    let mut journal = String::new();
    let mut add = |pathname: &str, host: &str, protocol: &str, number: u32| {
        for connection in 0..number {
            journal += &format!(
                "{{\"time\":{}.5,\"host\":\"{host}\",\"pathname\":\"{pathname}\",\"pid\":7,\
                 \"destination\":\"192.0.2.1\",\"destinationport\":443,\
                 \"protocol\":\"{protocol}\"}}\n",
                1_000_000 + connection * 60
            );
        }
    };
    add("/bin/a", "h", "tcp", 20);
    add("/BIN/A", "h", "tcp", 21);
    add("/bin/a/", "h", "tcp", 22);
    add("/bin/a", "H", "tcp", 23);
    add("/bin/a", "h", "udp", 24);
    add("/bin/[a]", "", "tcp", 25);
    add("", "", "tcp", 26);
    add("C:\\\\A\\\\b.exe", "", "tcp", 27);
    add("c:\\\\a\\\\B.exe", "", "udp", 28);
    let folder = folder(&[("j", journal.as_bytes())]);
    let page = Page::of(&report(&path(&folder, "j"), &[]));
    let captions = page.texts_in("figcaption");
    let mut drawn: Vec<u32> = captions
        .iter()
        .filter_map(|caption| caption.strip_prefix("Check-ins ")?.split(' ').next()?.parse().ok())
        .collect();
    drawn.sort_unstable();
    assert_eq!(drawn, (20..=28).collect::<Vec<_>>());
    assert!(!page.text().contains("The pictures show"));
}

/// Pages of connections that begin and end within a second, and of which some are of another
/// protocol.
#[test]
fn many_connections_are_drawn_as_they_are() {
    let mut journal = "time,pathname,destination,destinationport,protocol,bytes_sent\n".to_owned();
    for checkin in 0..9_000_u32 {
        let (second, milliseconds) = (1_000_000 + checkin * 9 / 2, checkin % 2 * 500);
        for (socket, protocol) in ["tcp", "tcp", "udp", "tcp", "tcp"].iter().enumerate() {
            let milliseconds = milliseconds + socket as u32 * 3;
            journal += &format!("{second}.{milliseconds:03},/bin/a,192.0.2.1,443,{protocol},10\n");
        }
    }
    let folder = folder(&[("j.csv", journal.as_bytes())]);
    let file = path(&folder, "j.csv");
    let page = Page::of(&report(&file, &["--hours", "20"]));
    let text = page.text();
    assert_eq!(page.number_of("article"), 2, "{text}");
    assert!(!text.contains("The pictures show"), "{text}");
    let captions = page.texts_in("figcaption");
    for (caption, expected) in [
        (0, "Check-ins 9,000 check-ins; a bar is 10m, the highest 134; dashed:"),
        (1, "Intervals 8,999 intervals between check-ins, in bins of 0.28s; the period of 4.5s"),
    ] {
        assert!(captions[caption].starts_with(expected), "{captions:?}");
    }
    assert!(captions.iter().any(|caption| caption.contains("Sent: 40 B each")), "{captions:?}");
    assert!(text.contains("check-ins, one every 4.5s, jitter 0.0 %, none missed."), "{text}");
}

#[test]
fn more_in_one_second_than_can_be_paged_is_told() {
    let mut journal = "time,pathname,destination,destinationport\n".to_owned();
    for checkin in 0..40 {
        let sockets = if checkin == 20 { 25_000 } else { 1 };
        let line = format!("{},/bin/a,192.0.2.1,443\n", 1_000_000 + checkin * 60);
        journal += &line.repeat(sockets);
    }
    let folder = folder(&[("j.csv", journal.as_bytes())]);
    let text = Page::of(&report(&path(&folder, "j.csv"), &[])).text();
    assert!(text.contains("40 check-ins; a bar is 10m, the highest 10"), "{text}");
    assert!(text.contains("The pictures show 20,039 of 25,039 connections."), "{text}");
}

#[test]
fn an_empty_window_says_so() {
    let folder = folder(&[("j", JOURNAL)]);
    let cache = path(&folder, "cache.sqlite");
    quiet(&["import", "--cache", &cache, &path(&folder, "j")]);
    let output = run(&["report", "--cache", &cache, "--html", "-"]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("--now latest"), "{}", stderr(&output));
    let page = Page::of(&stdout(&output));
    page.must_be_inert();
    let expected = "The window holds no connection; the cache holds 3 connections from 1970-01-01 00:16:40Z to \
                    1970-01-01 00:18:40Z. --now latest ends the window there.";
    assert!(page.text().contains(expected), "{}", page.text());
    let page = quiet(&["report", "--cache", &cache, "--now", "latest", "--html", "-"]);
    assert_eq!(Page::of(&page).number_of("article"), 1);

    // A window with connections of which none is a candidate, and a cache with none at all.
    let page = quiet(&["report", "--cache", &cache, "--now", "1000", "--html", "-"]);
    assert!(page.contains("No detector named any group"), "{page}");
    let header = b"time,destination,destinationport\n";
    fs::write(folder.path().join("empty.csv"), header).unwrap();
    let output = run(&["report", "--journal", &path(&folder, "empty.csv"), "--html", "-"]);
    let expected = "The window holds no connection, and neither does the cache.";
    assert_eq!(stderr(&output).trim(), expected);
    assert!(stdout(&output).contains(expected));
}

#[cfg(unix)]
#[test]
fn a_file_is_replaced_whole_and_is_its_owners_only() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = folder(&[("j", JOURNAL), ("old.html", b"old")]);
    let at = |name: &str| path(&folder, name);
    fs::set_permissions(at("old.html"), PermissionsExt::from_mode(0o666)).unwrap();
    symlink("old.html", at("link.html")).unwrap();
    let journal = at("j");
    let write = |html: &str| quiet(&["report", "--journal", &journal, "--html", html]);
    for name in ["new.html", "link.html"] {
        write(&at(name));
        let page = fs::read_to_string(at(name)).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
        assert_eq!(fs::metadata(at(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(fs::symlink_metadata(at("link.html")).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "something was left behind");

    for (html, said) in [
        (at("none/new.html"), "there is no such folder"),
        (at("."), "is no regular file"),
        ("/dev/null".to_owned(), "is no regular file"),
    ] {
        let error = failure(&["report", "--journal", &journal, "--html", &html]);
        assert!(error.contains(said) && error.contains(&html), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());

    // A slip of the hand is not the end of the evidence.
    symlink("j", at("other.html")).unwrap();
    let error = failure(&["report", "--journal", &journal, "--html", &at("other.html")]);
    assert!(error.contains("this is what is asked"), "{error}");
    assert_eq!(fs::read(&journal).unwrap(), JOURNAL);
}

#[test]
fn bad_arguments_are_refused() {
    let folder = folder(&[("j", JOURNAL)]);
    let journal = path(&folder, "j");
    for arguments in [
        &["report", "--journal", &journal][..],
        &["report", "--journal", &journal, "--html", "-", "--limit", "0"],
        &["report", "--journal", &journal, "--html", "-", "--limit", "1001"],
        &["report", "--html", "-", &journal],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let two = report(&journal, &[&journal]);
    assert!(two.contains(&format!("{journal}, {journal}")), "{two}");
}
