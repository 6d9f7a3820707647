//! Windows event log files.
//!
//! The `evtx` crate undoes the binary XML, a chunk at a time; what an event means is in
//! `windows_event`.

use evtx::{EvtxParser, ParserSettings};

use super::{Source, Stop, windows_event};
use crate::journal::delivery::{Delivery, JournalSink};

/// Bytes of a file's header, and of each of the chunks that follow it.
const FILE_HEADER: u64 = 4 << 10;
const CHUNK: u64 = 64 << 10;

pub(super) fn read<S: JournalSink>(
    source: Source,
    to: &mut Delivery<'_, S>,
) -> Result<(), Stop<S::Error>> {
    let invalid = |error: evtx::err::EvtxError| {
        Stop::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, error.to_string()))
    };
    let settings = ParserSettings::new().separate_json_attributes(true).indent(false);
    let (file, mut cut_short) = source.into_seekable().map_err(Stop::Io)?;
    let length = file.metadata().map_err(Stop::Io)?.len();
    if cut_short.is_none() && length.checked_rem(CHUNK) != Some(FILE_HEADER) {
        let problem = "the file ends within a chunk";
        cut_short = Some(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, problem));
    }
    let mut parser = EvtxParser::from_read_seek(std::io::BufReader::new(file))
        .map_err(invalid)?
        .with_configuration(settings);
    let mut last_record = 0;
    for record in parser.records_json_value() {
        match record {
            Ok(record) => {
                last_record = record.event_record_id;
                to.at_line(last_record);
                windows_event::deliver(&record.data, to).map_err(Stop::Sink)?;
            }
            Err(error) => {
                to.at_line(last_record + 1);
                to.reject(error);
            }
        }
    }
    cut_short.map_or(Ok(()), |error| Err(Stop::Io(error)))
}
