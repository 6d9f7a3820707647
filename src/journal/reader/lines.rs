//! Numbered lines of a stream in one reused buffer, with a bound on their length.

use std::borrow::Cow;
use std::io::{BufRead, ErrorKind, Result};

/// A longer line is no journal's, unless told otherwise; it is passed over without being held.
pub(super) const LONGEST_LINE: usize = 16 << 20;

pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
    longest: usize,
}

pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: u64,
    /// Without its line ending; bytes that are no UTF-8 are replaced. `None` if too long.
    pub(super) text: Option<Cow<'a, str>>,
}

impl<R: BufRead> Lines<R> {
    /// Lines of up to `longest` bytes.
    pub(super) fn new(reader: R, longest: usize) -> Self {
        Lines { reader, buffer: Vec::new(), number: 0, longest }
    }

    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        self.buffer.clear();
        self.read_line()?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if self.buffer.len() == self.longest && self.buffer.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
            return Ok(Some(Line { number, text: None }));
        }
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Most lines are UTF-8, which is told faster than it is mended.
        let text =
            std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        Ok(Some(Line { number, text: Some(text) }))
    }

    /// Up to the end of the line, or of what may be held. `BufRead::read_until` takes three times as
    /// long to find it.
    fn read_line(&mut self) -> Result<()> {
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                available => available?,
            };
            let room = self.longest - self.buffer.len();
            let available = available.get(..room).unwrap_or(available);
            let end = memchr::memchr(b'\n', available).map(|at| at + 1);
            let used = end.unwrap_or(available.len());
            self.buffer.extend_from_slice(available.get(..used).unwrap_or_default());
            self.reader.consume(used);
            if end.is_some() || used == 0 {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_endless_line_is_passed_over_and_the_next_one_read() {
        let endless = std::io::repeat(b'x').take(LONGEST_LINE as u64 + 5);
        let mut lines = Lines::new(
            std::io::BufReader::new(endless.chain(&b"\nnext\r\n\xff"[..])),
            LONGEST_LINE,
        );
        assert!(lines.next().unwrap().unwrap().text.is_none());
        let next = lines.next().unwrap().unwrap();
        assert_eq!((next.number, next.text.as_deref()), (2, Some("next")));
        assert_eq!(lines.next().unwrap().unwrap().text.as_deref(), Some("\u{fffd}"));
        assert!(lines.next().unwrap().is_none());
    }
}
