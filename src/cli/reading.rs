//! How journal files are read, as every verb that reads them is told.

use std::path::Path;

use anyhow::Result;
use beacon_candidates::cache::Retention;
use beacon_candidates::journal::reader::Family;
use clap::{Args, ValueEnum};

use super::mapping::MappingArguments;

#[derive(Args)]
#[command(next_help_heading = "How journal files are read")]
pub struct ReadingArguments {
    /// What the files are
    #[arg(long, value_enum, default_value_t = FormatName::Auto,
        conflicts_with_all = ["columns", "mapping"])]
    format: FormatName,

    /// The longest line or record that is read, like 64M [default: 16M, 4M where it takes a tree or
    /// quotes]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_line: Option<u64>,

    /// Keep the cache within this size by removing the oldest connections, like 500M [default: keep
    /// all]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    max_size: Option<u64>,

    #[command(flatten)]
    mapping: MappingArguments,
}

/// What was said of the files.
#[derive(Clone, Copy)]
pub struct Reading {
    /// What they are; `None` to tell by their content.
    pub family: Option<Family>,
    /// The longest line, in bytes, if one was asked for.
    pub longest_line: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// Tell by content
    Auto,
    /// Our own JSON or CSV, and Sophos exports
    Journal,
    /// Zeek conn.log, TSV or JSON
    Zeek,
    /// Sysmon and Windows event 5156: .evtx, XML, or JSON from whoever ships it
    Sysmon,
    /// osquery's result log, and rows that osqueryi prints as JSON
    Osquery,
    /// Linux's audit.log, or ausearch's text
    Audit,
}

impl FormatName {
    fn family(self) -> Option<Family> {
        Some(match self {
            FormatName::Auto => return None,
            FormatName::Journal => Family::Journal,
            FormatName::Zeek => Family::Zeek,
            FormatName::Sysmon => Family::Sysmon,
            FormatName::Osquery => Family::Osquery,
            FormatName::Audit => Family::Audit,
        })
    }
}

impl ReadingArguments {
    /// What is said of the files, with what a mapping names in its file.
    pub fn reading(&self) -> Result<Reading> {
        Ok(Reading {
            family: self.mapping.family()?.or(self.format.family()),
            longest_line: self.max_line.and_then(|bytes| usize::try_from(bytes).ok()),
        })
    }

    /// What the cache keeps: everything, unless a size was given.
    pub fn retention(&self) -> Retention {
        Retention { max_bytes: self.max_size.unwrap_or(u64::MAX), ..Retention::default() }
    }

    /// The first of these options that was given, for verbs that read no file.
    pub fn given(&self) -> Option<&'static str> {
        [
            (self.format != FormatName::Auto, "--format"),
            (self.max_line.is_some(), "--max-line"),
            (self.max_size.is_some(), "--max-size"),
        ]
        .into_iter()
        .find_map(|(is_given, option)| is_given.then_some(option))
        .or(self.mapping.given())
    }
}

/// What messages call a file.
pub fn name_of(file: &Path) -> String {
    match file.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    }
}

/// For arguments: a number of bytes, perhaps in K, M or G of 1024.
fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text[digits.len()..]
        .to_ascii_uppercase()
        .trim_end_matches("IB")
        .trim_end_matches('B')
    {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => u32::MAX,
    };
    let number = digits.parse::<u64>().ok().filter(|number| *number > 0);
    let bytes =
        number.zip(1024u64.checked_pow(power)).and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| "expected a number of bytes like 1048576, 64M or 2G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("1", 1),
            ("64M", 64 << 20),
            ("2g", 2 << 30),
            ("10 ", 0),
            ("3KiB", 3 << 10),
            ("5kB", 5 << 10),
        ] {
            assert_eq!(bytes(text).unwrap_or(0), expected, "{text}");
        }
        for text in ["", "0", "-1", "M", "1X", "99999999T", "1.5G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
