//! The page around the candidates: what was asked, what was found, and what rules hide.
//!
//! Everything that is not written here goes through the escaping of the template. The page runs
//! nothing and loads nothing, and its policy says so to the browser, too.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Report;
use super::candidate_section::{host, path, quoted, score, section, sentence, target};
use super::facts::{self, Facts};
use crate::words;

const STYLE: &str = include_str!("page.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// More hosts are counted only.
const MOST_HOSTS: usize = 20;
/// Characters of a host's name in that list.
const MOST_OF_HOST: usize = 100;

/// The whole document.
pub(super) fn page(report: &Report) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Beacon candidates" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Beacon candidates" }
                    p { "Processes that connect to one place on a rhythm, the clearest first." }
                    (summary(report))
                    @if report.candidates.is_empty() {
                        (nothing(report))
                    } @else {
                        (contents(report))
                        p .note {
                            "A score near 1 is clockwork and plenty of it; 0.4 to 0.7 is jitter, \
                             gaps or few check-ins. A timer is not yet malware: see who it is, \
                             and where it goes. All times are UTC."
                        }
                    }
                    @for (index, candidate) in report.candidates.iter().enumerate() {
                        (section(candidate, index + 1))
                    }
                    (suppressed(report))
                }
            }
        }
    }
}

fn summary(report: &Report) -> Markup {
    let counts = &report.counts;
    let (since, until) = report.window_s;
    let [since, until] = [since, until].map(words::time_of_second);
    let shown = report.candidates.len() as u64;
    html! {
        dl .summary {
            div .whole {
                dt { "window" }
                dd { (since) " to " (until) " (" (facts::cut(&report.request.hours, 20)) " h)" }
            }
            div { dt { "groups seen" } dd .big { (words::number(counts.seen)) } }
            div { dt { "named by a detector" } dd .big { (words::number(counts.named)) } }
            div { dt { "suppressed by rules" } dd .big { (words::number(counts.suppressed)) } }
            div { dt { "shown here" } dd .big { (words::number(shown)) } }
            div .whole { dt { "hosts on this page" } dd { (hosts(report)) } }
            div .whole {
                dt { "asked of" }
                dd { (quoted(&facts::cut(&report.request.source, facts::MOST_SHOWN))) }
            }
            div .whole {
                dt { "generated" }
                dd {
                    (words::time(report.request.generated_ms)) " by beacon_candidates "
                    (env!("CARGO_PKG_VERSION"))
                }
            }
        }
    }
}

fn hosts(report: &Report) -> Markup {
    let hosts = report.hosts();
    html! {
        @if hosts.is_empty() { "–" }
        @for (index, host) in hosts.iter().take(MOST_HOSTS).enumerate() {
            @if index > 0 { ", " }
            @if host.is_empty() { "this endpoint" }
            @else { (quoted(&facts::cut(host, MOST_OF_HOST))) }
        }
        @if hosts.len() > MOST_HOSTS {
            " and " (words::number((hosts.len() - MOST_HOSTS) as u64)) " more"
        }
    }
}

/// Why the page is empty.
fn nothing(report: &Report) -> Markup {
    let none_named = "No detector named any group that no rule hides.";
    html! { p .note { (report.empty_window.as_deref().unwrap_or(none_named)) } }
}

/// The candidates in a list, each leading to its section.
fn contents(report: &Report) -> Markup {
    html! {
        nav aria-label="Candidates" {
            ol .list {
                @for (index, candidate) in report.candidates.iter().enumerate() {
                    @let facts = &candidate.facts;
                    li {
                        a href={ "#c" (index + 1) } { (path(facts)) } " → " (target(facts))
                        (host(facts))
                        p {
                            strong { (score(facts)) } " · " (sentence(facts)) " "
                            (sparkline(facts))
                        }
                    }
                }
            }
        }
        @let shown = report.candidates.len() as u64 + report.counts.suppressed;
        @if report.counts.named > shown {
            p .note {
                (words::number(report.counts.named - shown))
                " more are not shown; --limit shows more."
            }
        }
    }
}

fn sparkline(facts: &Facts) -> Markup {
    html! {
        span .sparkline role="img" aria-label="activity over the window" {
            (facts.text("sparkline"))
        }
    }
}

/// What rules hide, folded.
fn suppressed(report: &Report) -> Markup {
    let (number, suppressed) = (report.counts.suppressed, &report.suppressed);
    html! {
        @if number > 0 {
            details .suppressed {
                summary { "Suppressed: " (words::count(number, "group")) " that rules know" }
                ul .list {
                    @for facts in &suppressed.listed {
                        li {
                            p {
                                span .rule { (quoted(&facts.text("suppressed_by"))) }
                                @if let Some(rule) = suppressed.rule(facts) {
                                    " " (rule.text("class").replace('_', " ")) ": "
                                    (rule.text("reason"))
                                }
                            }
                            (path(facts)) " → " (target(facts)) (host(facts))
                            p {
                                strong { (score(facts)) } " · " (sentence(facts)) " "
                                (sparkline(facts))
                            }
                        }
                    }
                }
                @if number > suppressed.listed.len() as u64 {
                    p .note {
                        (words::number(number - suppressed.listed.len() as u64))
                        " more are not listed."
                    }
                }
            }
        }
    }
}
