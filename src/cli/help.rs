//! What stands below the options in `--help`: examples, files, and what the exit status means.

use beacon_candidates::cache;
use beacon_candidates::host::config;
use clap::builder::{StyledStr, Styles};

/// The closing of a verb's help, with what its status 1 means. A test runs the examples.
pub fn closing(examples: &str, failure: &str) -> StyledStr {
    let mut exit_status = exit_status(failure);
    if cfg!(unix) {
        exit_status += "\n  130  ended by Ctrl-C; 143 by SIGTERM";
    }
    sections(&[("Examples", examples), ("Exit status", &exit_status)])
}

/// The same of a verb that goes on until a signal ends it: then all went well.
pub fn closing_until_a_signal(examples: &str, failure: &str) -> StyledStr {
    sections(&[("Examples", examples), ("Exit status", &exit_status(failure))])
}

/// The same without a verb, and the files that are read where none are named. To an extension a
/// signal is no failure.
pub fn closing_with_files(examples: &str, failure: &str) -> StyledStr {
    let sections_of =
        [("Examples", examples), ("Files", &files()), ("Exit status", &exit_status(failure))];
    sections(&sections_of)
}

fn sections(sections: &[(&str, &str)]) -> StyledStr {
    let style = Styles::default().get_header().to_owned();
    let section = |(heading, text): &(&str, &str)| format!("{style}{heading}:{style:#}\n{text}");
    StyledStr::from(sections.iter().map(section).collect::<Vec<_>>().join("\n\n"))
}

fn exit_status(failure: &str) -> String {
    format!("  0    all went well\n  1    {failure}\n  2    the arguments cannot be understood")
}

fn files() -> String {
    let mut files = Vec::new();
    if let Some(cache) = cache::system_path() {
        let cache = cache.display().to_string();
        files.push((cache, "the system's cache, which the extension fills"));
    }
    if cfg!(unix) {
        let own = "~/.local/state/beacon_candidates/cache.sqlite".to_owned();
        files.push((own, "a user's own cache (or under $XDG_STATE_HOME)"));
    }
    let config = config::default_path().display().to_string();
    files.push((config, "the extension's configuration"));
    let lines = files.into_iter().map(|(path, what)| format!("  {path}\n      {what}"));
    lines.collect::<Vec<_>>().join("\n")
}
