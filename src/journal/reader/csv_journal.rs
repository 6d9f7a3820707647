//! CSV with a header, a record at a time, separated by commas, semicolons (Excel in much of Europe),
//! tabs or vertical bars; what the columns mean is the caller's.
//!
//! A quoted value may go on over several lines, but a stray quote must not swallow the rest of
//! the file: a record has a bounded number of lines, and of bytes.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::BufRead;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::Stop;
use super::lines::{LONGEST_LINE, Lines};
use crate::journal::delivery::{Delivery, JournalSink};

/// More lines than this are no value of a journal's.
const LONGEST_RECORD: usize = 64;
/// Nor are more bytes, in lines after the first, unless told otherwise.
const LARGEST_RECORD: usize = 4 << 20;

const SEPARATORS: [u8; 4] = *b",;\t|";

/// A column that Fleet adds. It writes values as JSON texts, whose escapes CSV does not have.
const OF_FLEET: &str = "host_display_name";

/// A CSV journal.
pub(super) struct Csv<R> {
    lines: Lines<R>,
    largest_record: usize,
    /// Read already, and still to be parsed: what followed a quote that was not closed.
    pending: VecDeque<NumberedLine>,
    /// The header's.
    names: Vec<String>,
    record: Record,
}

struct NumberedLine {
    number: u64,
    text: String,
}

/// What `tell` makes of the names in the header of a journal that starts with `head`.
pub(super) fn in_header<T>(head: &str, tell: impl Fn(&[&str]) -> Option<T>) -> Option<T> {
    let mut lines = head.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next()?;
    let header = if announced_separator(first).is_some() { lines.next()? } else { first };
    separated(header, tell).map(|(_, told)| told)
}

/// The separator in the line that Excel reads it from, `sep=;`.
fn announced_separator(line: &str) -> Option<u8> {
    let line = line.trim_matches(['\r', '"']);
    match line.strip_prefix("sep=").or_else(|| line.strip_prefix("SEP="))?.as_bytes() {
        [separator] => Some(*separator),
        _ => None,
    }
}

/// The separator of a header's names with which they tell something, and what.
fn separated<T>(header: &str, tell: impl Fn(&[&str]) -> Option<T>) -> Option<(u8, T)> {
    SEPARATORS.into_iter().find_map(|separator| {
        let names = header.split(char::from(separator));
        let names: Vec<_> = names.map(|name| name.trim().trim_matches('"')).collect();
        tell(&names).map(|told| (separator, told))
    })
}

impl<R: BufRead> Csv<R> {
    /// Reads the header, with the separator that makes its names those that the caller knows.
    /// `longest_line` is in bytes, if one was asked for.
    pub(super) fn new(
        source: R,
        longest_line: Option<usize>,
        knows: impl Fn(&[&str]) -> bool,
    ) -> std::io::Result<Csv<R>> {
        let mut csv = Csv {
            lines: Lines::new(source, longest_line.unwrap_or(LONGEST_LINE)),
            largest_record: longest_line.unwrap_or(LARGEST_RECORD),
            pending: VecDeque::new(),
            names: Vec::new(),
            record: Record::new(b',', None),
        };
        let mut header = csv.next_line()?;
        let announced = header.as_ref().and_then(|line| announced_separator(&line.text));
        if announced.is_some() {
            header = csv.next_line()?;
        }
        if let Some(header) = header {
            let separator = announced.or_else(|| {
                separated(&header.text, |names| knows(names).then_some(())).map(|found| found.0)
            });
            let separator = separator.unwrap_or(b',');
            csv.record = Record::new(separator, None);
            csv.record.begin();
            csv.record.add(&header.text);
            csv.names = csv.record.fields().map(Cow::into_owned).collect();
            if csv.names.iter().any(|name| name == OF_FLEET) {
                csv.record = Record::new(separator, Some(b'\\'));
            }
        }
        Ok(csv)
    }

    /// The names in the header.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Hands over each record that has as many values as the header has names.
    pub(super) fn read<S: JournalSink>(
        &mut self,
        to: &mut Delivery<'_, S>,
        mut deliver: impl FnMut(&Record, &mut Delivery<'_, S>) -> Result<(), S::Error>,
    ) -> Result<(), Stop<S::Error>> {
        while let Some(first) = self.next_line().map_err(Stop::Io)? {
            to.at_line(first.number);
            self.record.begin();
            let mut is_complete = self.record.add(&first.text);
            let (mut more, mut bytes) = (Vec::new(), 0);
            while !is_complete
                && more.len() < LONGEST_RECORD
                && bytes < self.largest_record
                && let Some(next) = self.next_line().map_err(Stop::Io)?
            {
                is_complete = self.record.add(&next.text);
                bytes += next.text.len();
                more.push(next);
            }
            if is_complete {
                let (fields, names) = (self.record.fields().count(), self.names.len());
                if fields == names {
                    deliver(&self.record, to).map_err(Stop::Sink)?;
                } else {
                    to.reject(format_args!("has {fields} fields where the header has {names}"));
                }
            } else {
                to.reject("opens a quote that is not closed soon");
                more.into_iter().rev().for_each(|line| self.pending.push_front(line));
            }
        }
        Ok(())
    }

    /// The next line that is not blank. A line that is too long counts as blank here: no record
    /// has one.
    fn next_line(&mut self) -> std::io::Result<Option<NumberedLine>> {
        if let Some(line) = self.pending.pop_front() {
            return Ok(Some(line));
        }
        while let Some(line) = self.lines.next()? {
            let number = line.number;
            if let Some(text) = line.text.filter(|text| !text.trim().is_empty()) {
                return Ok(Some(NumberedLine { number, text: text.into_owned() }));
            }
        }
        Ok(None)
    }
}

/// The fields of one record, parsed line by line.
pub(super) struct Record {
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
    bytes_used: usize,
    ends_used: usize,
}

impl Record {
    fn new(separator: u8, escape: Option<u8>) -> Record {
        let (bytes, ends) = (vec![0; 1024], vec![0; 64]);
        let reader = ReaderBuilder::new().delimiter(separator).escape(escape).build();
        Record { reader, bytes, ends, bytes_used: 0, ends_used: 0 }
    }

    fn begin(&mut self) {
        self.reader.reset();
        self.bytes_used = 0;
        self.ends_used = 0;
    }

    /// Adds a line; whether the record is complete with it.
    fn add(&mut self, line: &str) -> bool {
        self.add_bytes(line.as_bytes()) || self.add_bytes(b"\n")
    }

    fn add_bytes(&mut self, mut input: &[u8]) -> bool {
        while !input.is_empty() {
            let (result, read, written, ended) = self.reader.read_record(
                input,
                &mut self.bytes[self.bytes_used..],
                &mut self.ends[self.ends_used..],
            );
            input = &input[read..];
            self.bytes_used += written;
            self.ends_used += ended;
            match result {
                ReadRecordResult::Record => return true,
                ReadRecordResult::OutputFull => self.bytes.resize(2 * self.bytes.len() + 256, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len() + 16, 0),
                ReadRecordResult::InputEmpty | ReadRecordResult::End => {}
            }
        }
        false
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let ends = &self.ends[..self.ends_used];
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(ends).map(|(begin, end)| String::from_utf8_lossy(&self.bytes[begin..*end]))
    }
}
