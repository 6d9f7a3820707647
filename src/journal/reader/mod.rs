//! Journal files as a stream of events, whatever their format and compression.
//!
//! A reader holds one line (or one EVTX chunk) at a time and hands each event to a
//! [`JournalSink`]. What it cannot read it reports and goes on; storing is the sink's affair.

mod answer;
mod audit_log;
mod csv_journal;
mod event_xml;
mod evtx;
mod format;
mod journal;
mod lines;
mod osquery_log;
mod records;
mod separators;
mod source;
mod sysmon;
mod windows_event;
mod zeek;

use std::io::BufRead;

pub use format::{Family, Format};
pub use source::Source;

use csv_journal::Csv;
use journal::CsvColumns;
use lines::Lines;
use records::CsvFields;

use super::delivery::{Delivered, Delivery, JournalSink};
use super::field::is_blank;
use super::printable::printable_cut;

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
    let format = match family {
        Some(family) => Format::within(family, source.peek()),
        None => match Format::detect(source.peek()) {
            Ok(format) => format,
            Err(hint) => {
                return Err(match source.take_early_error() {
                    Some(error) => io_error(error),
                    None => ReadError::UnknownFormat { name, hint },
                });
            }
        },
    };
    log::debug!("{name}: reading as {format}");
    let mut delivery = Delivery::new(sink);
    let outcome = match format {
        Format::JournalCsv | Format::RecordsCsv(_) | Format::WindowsXmlCsv => {
            match Csv::new(source) {
                Ok(csv) => match read_csv(csv, format, &mut delivery) {
                    Ok(outcome) => outcome,
                    Err(problem) => {
                        return Err(ReadError::WrongFormat { name, expected: format, problem });
                    }
                },
                Err(error) => Err(Stop::Io(error)),
            }
        }
        Format::Evtx => evtx::read(source, &mut delivery),
        Format::JournalJson => read_lines(source, &mut delivery, journal::read_line),
        Format::ZeekTsv => {
            let mut zeek = zeek::Tsv::default();
            read_lines(source, &mut delivery, |line, to| zeek.read_line(line, to))
        }
        Format::ZeekJson => read_lines(source, &mut delivery, zeek::read_json_line),
        Format::SysmonJson | Format::WindowsJson => {
            read_lines(source, &mut delivery, sysmon::read_line)
        }
        Format::Answer(layout) => answer::read(layout, source, &mut delivery),
        Format::WindowsXml => event_xml::read(source, &mut delivery),
        Format::OsqueryLog => read_lines(source, &mut delivery, osquery_log::read_line),
        Format::AuditLog => {
            let mut audit = audit_log::AuditLog::default();
            match read_lines(source, &mut delivery, |line, to| audit.read_line(line, to)) {
                Err(Stop::Sink(error)) => Err(Stop::Sink(error)),
                read => audit.finish(&mut delivery).map_err(Stop::Sink).and(read),
            }
        }
        Format::RecordsJson(layout) => read_lines(source, &mut delivery, |line, to| {
            if windows_event::may_be_in(layout, line) {
                sysmon::read_line(line, to)
            } else {
                records::read_object(layout, line, to)
            }
        }),
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

/// Reads the records of a CSV journal; says what its header lacks, if it does.
fn read_csv<S: JournalSink>(
    mut csv: Csv,
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
    delivery: &mut Delivery<'s, S>,
    mut read_line: impl FnMut(&str, &mut Delivery<'s, S>) -> Result<(), S::Error>,
) -> Result<(), Stop<S::Error>> {
    let mut lines = Lines::new(source);
    while let Some(line) = lines.next().map_err(Stop::Io)? {
        delivery.at_line(line.number);
        match line.text {
            Some(text) if is_blank(&text) => {}
            Some(text) => read_line(&text, delivery).map_err(Stop::Sink)?,
            None => delivery.reject(format_args!("longer than {} MiB", lines::LONGEST_LINE >> 20)),
        }
    }
    Ok(())
}
