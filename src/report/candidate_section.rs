//! A candidate's section of the page: who calls where, how, and the pictures of it.

use maud::{Markup, html};

use super::candidate::Candidate;
use super::facts::{self, Facts};
use crate::words;

/// Characters of a path or a name in a heading.
const MOST_IN_HEADING: usize = 300;

/// The section of the candidate at `rank`, from 1.
pub(super) fn section(candidate: &Candidate, rank: usize) -> Markup {
    let facts = &candidate.facts;
    let id = format!("c{rank}");
    html! {
        article id=(id) {
            header {
                p .rank { "#" (rank) " · score " strong { (score(facts)) } }
                h2 { (path(facts)) }
                p .target { "→ " (target(facts)) (host(facts)) }
                p { (sentence(facts)) }
            }
            (figure("Check-ins", &candidate.timeline.caption(),
                candidate.timeline.picture(&format!("{id}-timeline"))))
            @match &candidate.intervals {
                Some(chart) => (figure("Intervals", &chart.caption(),
                    chart.picture(&format!("{id}-intervals")))),
                None => p { "Intervals: under two check-ins, so there is no period." },
            }
            @match &candidate.bytes {
                Some(chart) => (figure("Bytes per check-in", &chart.caption(),
                    chart.picture(&format!("{id}-bytes")))),
                None => p { "Bytes: the journal has none." },
            }
            @if let Some(caveat) = &candidate.caveat { p .caveat { (caveat) } }
            (facts_list(facts))
            details {
                summary { "Every column" }
                dl .columns {
                    @for (column, value) in facts.all() {
                        dt title=(column.description) { (column.name) }
                        dd { (or_dash(&value)) }
                    }
                }
            }
        }
    }
}

/// A text from a journal, kept to itself whatever direction it is written in.
pub(super) fn quoted(text: &str) -> Markup {
    html! { bdi dir="ltr" { (text) } }
}

/// The pathname for a heading or a list.
pub(super) fn path(facts: &Facts) -> Markup {
    match facts.raw("pathname") {
        "" => html! { "unknown process" },
        pathname => html! { span .path { (quoted(&facts::cut(pathname, MOST_IN_HEADING))) } },
    }
}

/// Where to, with its name if there is one.
pub(super) fn target(facts: &Facts) -> Markup {
    let domain = facts.raw("domain");
    html! {
        span .path { (quoted(&facts::cut(facts.raw("tuple"), MOST_IN_HEADING))) }
        @if !domain.is_empty() {
            " (" span .path { (quoted(&facts::cut(domain, MOST_IN_HEADING))) } ")"
        }
    }
}

/// Whose connections these are, if not this endpoint's own.
pub(super) fn host(facts: &Facts) -> Markup {
    let host = facts.raw("host");
    html! {
        @if !host.is_empty() {
            " on " span .path { (quoted(&facts::cut(host, MOST_IN_HEADING))) }
        }
    }
}

/// The score, as short as it can be told apart.
pub(super) fn score(facts: &Facts) -> String {
    format!("{:.2}", facts.number("beacon_score").unwrap_or(0.0))
}

/// The rhythm in a sentence.
pub(super) fn sentence(facts: &Facts) -> String {
    let mut sentence = words::count(facts.count("checkins").unwrap_or(0), "check-in");
    if let Some(period) = facts.number("period") {
        let whose = match facts.count("agents") {
            Some(agents) if agents > 1 => format!("of {agents} agents by turns, each"),
            _ => "one".to_owned(),
        };
        sentence += &format!(", {whose} every {}", words::duration(period));
    }
    if let Some(jitter) = facts.number("jitter") {
        sentence += &format!(", jitter {}", words::percent(jitter));
    }
    match facts.count("missed_checkins") {
        None => {}
        Some(0) => sentence += ", none missed",
        Some(missed) => sentence += &format!(", {} missed", words::number(missed)),
    }
    sentence + "."
}

fn figure(name: &str, caption: &str, picture: Markup) -> Markup {
    html! {
        figure {
            figcaption { strong { (name) } " " (caption) }
            (picture)
        }
    }
}

/// What a reader asks for first; the rest is in the list of every column.
fn facts_list(facts: &Facts) -> Markup {
    let scores = ["timestamp_score", "datasize_score", "duration_score", "histogram_score"];
    let bytes = |column| facts.count(column).map(words::bytes).unwrap_or_default();
    html! {
        dl .facts {
            (long_fact("SophosPID", &facts.text("sophosPID")))
            (long_fact("command line", &facts.text("cmdline")))
            (long_fact("tuple", &facts.text("tuple")))
            (long_fact("destinations", &facts.text("destinations")))
            (long_fact("domain", &facts.text("domain")))
            (fact("process instances", &facts.text("process_count")))
            (fact("protocol", &facts.text("protocol")))
            (fact("scope", &facts.text("destination_scope")))
            (fact("connections", &facts.text("number_of_connections")))
            (fact("check-ins", &facts.text("checkins")))
            (fact("merged over, s", &facts.text("merge_gap")))
            (fact("missed check-ins", &facts.text("missed_checkins")))
            (fact("period, s", &facts.text("period")))
            (fact("jitter", &facts.text("jitter")))
            (fact("first seen", &facts.time("first_seen").unwrap_or_default()))
            (fact("last seen", &facts.time("last_seen").unwrap_or_default()))
            (fact("bytes sent", &bytes("bytes_sent")))
            (fact("bytes received", &bytes("bytes_received")))
            (fact("beacon score", &facts.text("beacon_score")))
            (fact("detected by", &facts.text("detected_by").replace(',', ", ")))
            (fact("RITA score", &facts.text("rita_score")))
            (fact("RITA: time, size, duration, histogram",
                &scores.map(|column| or_dash(&facts.text(column)).to_owned()).join(", ")))
            (fact("suppressed by", "no rule"))
        }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (quoted(or_dash(value))) } } }
}

/// One that has a line to itself on a telephone.
fn long_fact(name: &str, value: &str) -> Markup {
    html! { div .long { dt { (name) } dd { (quoted(or_dash(value))) } } }
}

/// What is not known.
fn or_dash(value: &str) -> &str {
    if value.is_empty() { "–" } else { value }
}
