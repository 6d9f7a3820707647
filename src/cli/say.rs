//! What is said to people: on standard output and standard error, in colour where that is wanted.

use std::fmt::Display;
use std::io::Write;

use anstream::AutoStream;
use anstream::stream::RawStream;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use beacon_candidates::journal::printable;
use clap::ColorChoice;

/// Of headings.
pub const HEADING: Style = Style::new().bold();
/// Of what goes well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Of what may need a look.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// Of what fails.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();

/// Standard output for text with styles.
pub fn stdout() -> AutoStream<std::io::StdoutLock<'static>> {
    styled(std::io::stdout().lock())
}

/// A stream that shows styles on a terminal, unless the environment says no (`NO_COLOR`,
/// `CLICOLOR=0`, `TERM=dumb`), and drops them elsewhere, whatever it says.
fn styled<S: RawStream>(stream: S) -> AutoStream<S> {
    match stream.is_terminal() && !is_dumb() {
        true => AutoStream::auto(stream),
        false => AutoStream::never(stream),
    }
}

/// Whether `TERM=dumb` refuses colour, which anstream forgets where `CI` is set.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The same for what clap says.
pub fn colour_of_help() -> ColorChoice {
    if is_dumb() { ColorChoice::Never } else { ColorChoice::Auto }
}

/// Writes a line to standard output.
pub fn say(line: impl Display) -> Result<()> {
    unless_read_enough(writeln!(stdout(), "{}", printable(&line.to_string())))
}

/// Tells of a failure.
pub fn complain(sentence: impl Display) {
    tell(ERROR, "beacon_candidates: ", sentence);
}

/// Tells of something that is no failure but may need a look.
pub fn warn(sentence: impl Display) {
    tell(WARNING, "", sentence);
}

/// Tells what is being done, beside the output.
#[cfg(target_os = "linux")] // the one verb that goes on until it is told to end
pub fn note(sentence: impl Display) {
    tell(Style::new(), "", sentence);
}

/// Writes a line to standard error; if that is closed, nobody wants to know. Names of files and
/// lines of journals come from others: they cannot steer the terminal.
fn tell(style: Style, prefix: &str, sentence: impl Display) {
    let sentence = printable(&sentence.to_string());
    let mut out = styled(std::io::stderr().lock());
    let _ = match prefix {
        "" => writeln!(out, "{style}{sentence}{style:#}"),
        prefix => writeln!(out, "{style}{prefix}{style:#}{sentence}"),
    };
}

/// A reader that has seen enough (head, less) is no error.
pub fn unless_read_enough(written: std::io::Result<()>) -> Result<()> {
    match written {
        Err(error) if has_read_enough(&error) => Ok(()),
        written => written.context("cannot write the output"),
    }
}

/// Whether an error in writing says that the reader has seen enough.
pub fn has_read_enough(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}
