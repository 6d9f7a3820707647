//! CSV with a header, a record at a time; what the columns mean is the caller's.
//!
//! A quoted value may go on over several lines, but a stray quote must not swallow the rest of
//! the file: a record has a bounded number of lines.

use std::borrow::Cow;
use std::collections::VecDeque;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use super::lines::Lines;
use super::{Source, Stop};
use crate::journal::delivery::{Delivery, JournalSink};

/// More lines than this are no value of a journal's.
const LONGEST_RECORD: usize = 64;

/// A column that Fleet adds. It writes values as JSON texts, whose escapes CSV does not have.
const OF_FLEET: &str = "host_display_name";

/// A CSV journal.
pub(super) struct Csv {
    lines: Lines<Source>,
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

impl Csv {
    /// Reads the header.
    pub(super) fn new(source: Source) -> std::io::Result<Csv> {
        let mut csv = Csv {
            lines: Lines::new(source),
            pending: VecDeque::new(),
            names: Vec::new(),
            record: Record::new(),
        };
        if let Some(header) = csv.next_line()? {
            csv.record.begin();
            csv.record.add(&header.text);
            csv.names = csv.record.fields().map(Cow::into_owned).collect();
            if csv.names.iter().any(|name| name == OF_FLEET) {
                csv.record.reader = ReaderBuilder::new().escape(Some(b'\\')).build();
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
            let mut more = Vec::new();
            while !is_complete
                && more.len() < LONGEST_RECORD
                && let Some(next) = self.next_line().map_err(Stop::Io)?
            {
                is_complete = self.record.add(&next.text);
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
    fn new() -> Record {
        let (bytes, ends) = (vec![0; 1024], vec![0; 64]);
        Record { reader: Reader::new(), bytes, ends, bytes_used: 0, ends_used: 0 }
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
