//! Journal files as a stream of events, whatever their format, shape, encoding and compression.
//!
//! A reader holds one line or object (or one EVTX chunk) at a time and hands each event to a
//! [`JournalSink`]. What it cannot read it reports and goes on; the sink does the storing.

mod answer;
mod audit_log;
mod csv_journal;
mod event_xml;
mod evtx;
mod format;
mod journal;
mod json;
mod lines;
mod objects;
mod osquery_log;
mod records;
mod rehearsal;
mod separators;
mod source;
mod start;
mod sysmon;
mod windows_event;
mod wrapping;
mod zeek;

use std::io::BufRead;

pub use format::{Family, Format};
pub use source::Source;

use csv_journal::Csv;
use journal::CsvColumns;
use json::Json;
use lines::{LONGEST_LINE, Lines};
use records::CsvFields;
use start::Start;

use super::delivery::{Delivered, Delivery, JournalSink};
use super::field::is_blank;
use super::printable::printable_cut;
use crate::words;

/// What reading a journal came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What the journal was read as.
    pub format: Format,
    /// What became of its lines.
    pub delivered: Delivered,
    /// Why the file ended before its end, if it did (a compressed file that was cut).
    pub truncated: Option<String>,
}

/// Why a journal could not be read at all, or not to its end. Single bad lines are no error:
/// they are [`crate::journal::Rejection`]s.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The file could not be opened or read.
    #[error("cannot read {name}: {source}")]
    Io {
        /// The file as the user named it.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// No line at the start of the file looks like any journal.
    #[error(
        "{name} is not a journal of a known kind{hint}; known are: our own NDJSON or CSV (with the \
         columns time, destination and destinationport), Sophos exports of the same, Zeek conn.log \
         (TSV or JSON), Sysmon and Windows event 5156 (.evtx, XML, or JSON lines from NXLog or \
         Winlogbeat), osquery result logs and rows, Linux audit logs (audit.log, or ausearch's text), \
         Microsoft Defender and Sentinel, Elastic and Suricata; of any other CSV or JSON, --columns \
         says which field is which"
    )]
    UnknownFormat {
        /// The file as the user named it.
        name: String,
        /// What it looks like instead, in brackets and perhaps with advice; else ''.
        hint: String,
    },
    /// The file lacks what its format needs.
    #[error("{name} was taken for {expected}, but {problem}")]
    WrongFormat {
        /// The file as the user named it.
        name: String,
        /// The format that was asked for, or that its start looks like.
        expected: Format,
        /// What is missing.
        problem: String,
    },
    /// The sink could not take an event.
    #[error(transparent)]
    Sink(E),
}

/// Reads `source` to its end, as `family` or, if `None`, as what its content looks like.
pub fn read<S: JournalSink>(
    mut source: Source,
    family: Option<Family>,
    sink: &mut S,
) -> Result<Summary, ReadError<S::Error>> {
    let name = source.name().to_owned();
    let io_error = |source| ReadError::Io { name: name.clone(), source };
    let unknown = |hint| ReadError::UnknownFormat { name: name.clone(), hint };
    if let Some(advice) = source.other_compression() {
        return Err(unknown(format!(" ({advice})")));
    }
    let start = match Start::of(source.peek(), family) {
        Ok(start) => start,
        Err(hint) => {
            let early = source.take_early_error();
            return Err(early.map_or_else(|| unknown(hint), io_error));
        }
    };
    log::debug!("{name}: reading as {start}");
    let longest_line = source.longest_line();
    let habits = rehearsal::habits(&start, &source);
    let mut delivery = Delivery::new(sink).with_habits(habits);
    let (outcome, told) = match start {
        Start::Other(Format::Evtx) => {
            (evtx::read(source, &mut delivery), Told::Format(Format::Evtx))
        }
        start => read_text(start, source, longest_line, &mut delivery),
    };
    let format = match told {
        Told::Format(format) => format,
        Told::Lacking(expected, problem) => {
            return Err(ReadError::WrongFormat { name, expected, problem });
        }
        Told::Nothing { hint, .. } if outcome.is_ok() && family.is_none() => {
            return Err(unknown(hint));
        }
        Told::Nothing { nearest, .. } => nearest,
    };
    match outcome {
        Ok(()) => Ok(Summary { format, delivered: delivery.finish(), truncated: None }),
        Err(Stop::Sink(error)) => Err(ReadError::Sink(error)),
        Err(Stop::Io(error)) if delivery.has_read_anything() && is_cut_short(&error) => {
            let truncated = Some(error.to_string());
            Ok(Summary { format, delivered: delivery.finish(), truncated })
        }
        Err(Stop::Io(error)) => Err(io_error(error)),
    }
}

/// What the whole of a journal turned out to be.
enum Told {
    Format(Format),
    /// A format, but for what its header lacks.
    Lacking(Format, String),
    /// No journal; what it looks like instead, and what that is nearest to.
    Nothing {
        hint: String,
        nearest: Format,
    },
}

/// Reads any format but that of event logs, up to its end or to what stops it.
fn read_text<S: JournalSink>(
    start: Start,
    source: impl BufRead,
    longest_line: Option<usize>,
    delivery: &mut Delivery<'_, S>,
) -> (Result<(), Stop<S::Error>>, Told) {
    let format = match start {
        Start::Json { shape, kind } => {
            let mut json = Json::new(kind, longest_line);
            let outcome = json.read(source, shape, delivery);
            let told = json.format().map(Told::Format);
            let nothing =
                || Told::Nothing { hint: json.description(), nearest: Format::JournalJson };
            return (outcome, told.unwrap_or_else(nothing));
        }
        Start::Other(format) => format,
    };
    let longest = longest_line.unwrap_or(LONGEST_LINE);
    let outcome = match format {
        Format::ZeekTsv => {
            let mut zeek = zeek::Tsv::default();
            let outcome =
                read_lines(source, longest, delivery, |line, to| zeek.read_line(line, to));
            if let Some(log) = zeek.other_log() {
                let hint = format!(" (it is Zeek's {log}.log: give conn.log)");
                return (outcome, Told::Nothing { hint, nearest: format });
            }
            outcome
        }
        Format::AuditLog => {
            let mut audit = audit_log::AuditLog::default();
            match read_lines(source, longest, delivery, |line, to| audit.read_line(line, to)) {
                Err(Stop::Sink(error)) => Err(Stop::Sink(error)),
                read => audit.finish(delivery).map_err(Stop::Sink).and(read),
            }
        }
        Format::WindowsXml => event_xml::read(source, longest, delivery),
        Format::Answer(layout) => answer::read(layout, source, longest, delivery),
        // All others are CSV.
        _ => {
            let knows = |names: &[&str]| format.has_columns(names);
            match Csv::new(source, longest_line, knows).map(|csv| read_csv(csv, format, delivery)) {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(problem)) => return (Ok(()), Told::Lacking(format, problem)),
                Err(error) => Err(Stop::Io(error)),
            }
        }
    };
    (outcome, Told::Format(format))
}

/// Reads the records of a CSV journal; says what its header lacks, if it does.
fn read_csv<S: JournalSink>(
    mut csv: Csv<impl BufRead>,
    format: Format,
    to: &mut Delivery<'_, S>,
) -> Result<Result<(), Stop<S::Error>>, String> {
    if let Format::RecordsCsv(layout) = format {
        let lacks = |fields| {
            let names = printable_cut(&csv.names().join(", "));
            format!("its header has no column {fields}; it has {names}")
        };
        let fields = CsvFields::named(layout, csv.names()).map_err(lacks)?;
        return Ok(csv.read(to, |record, to| fields.read(record, to)));
    }
    if let Format::WindowsXmlCsv = format {
        let column = csv.names().iter().position(|name| windows_event::is_xml_column(name));
        let column = column.ok_or("its header has no column '_raw'")?;
        return Ok(csv.read(to, |record, to| match record.fields().nth(column) {
            Some(xml) => event_xml::deliver(&xml, to),
            None => Ok(()),
        }));
    }
    let lacks = |column| format!("its header has no column '{column}'");
    let columns = CsvColumns::named(csv.names()).map_err(lacks)?;
    Ok(csv.read(to, |record, to| columns.read(record, to)))
}

/// Why reading stopped before the end.
enum Stop<E> {
    Io(std::io::Error),
    Sink(E),
}

/// Errors of a compressed stream that ends early or is damaged: what came before it is good.
fn is_cut_short(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | InvalidData | InvalidInput | Other)
}

fn read_lines<'s, S: JournalSink>(
    source: impl BufRead,
    longest: usize,
    delivery: &mut Delivery<'s, S>,
    mut read_line: impl FnMut(&str, &mut Delivery<'s, S>) -> Result<(), S::Error>,
) -> Result<(), Stop<S::Error>> {
    let mut lines = Lines::new(source, longest);
    while let Some(line) = lines.next().map_err(Stop::Io)? {
        delivery.at_line(line.number);
        match line.text {
            Some(text) if is_blank(&text) => {}
            Some(text) => read_line(&text, delivery).map_err(Stop::Sink)?,
            None => delivery.reject(format_args!("longer than {}", words::bytes(longest as u64))),
        }
    }
    Ok(())
}
