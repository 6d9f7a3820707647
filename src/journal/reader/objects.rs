//! JSON objects of a stream, however they follow each other: one a line, in an array, one behind the
//! other without a line end, or each over several lines.
//!
//! Here is only where an object begins and ends; what is in it is for others.

use std::borrow::Cow;
use std::io::{BufRead, ErrorKind, Result};

use serde::de::IgnoredAny;

/// How objects follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One object a line.
    Lines,
    /// Any other.
    Stream,
}

impl Shape {
    /// The shape of a journal that starts with `head`; `None` if it does not look like JSON.
    ///
    /// A first line that was cut does not tell: those that follow do.
    pub(super) fn of(head: &str) -> Option<Shape> {
        let is_object = |line: &str| {
            line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line.trim_end()).is_ok()
        };
        let mut lines = head.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next()?.trim_start();
        let begins_one = |line: &str| line.starts_with(['{', '[']);
        if first.starts_with('[') {
            // Nothing but objects is of use in an array.
            let inside = head.trim_start().trim_start_matches('[').trim_start();
            return (inside.is_empty() || inside.starts_with(['{', ']'])).then_some(Shape::Stream);
        }
        // What stands before the first object is the rest of one that was cut, or a word for it.
        match (is_object(first), lines.clone().any(is_object)) {
            (true, _) | (_, true) => Some(Shape::Lines),
            _ => {
                (begins_one(first) || lines.next().is_some_and(begins_one)).then_some(Shape::Stream)
            }
        }
    }
}

/// What comes next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// The line that it begins in, from 1.
    pub(super) line: u64,
    pub(super) text: std::result::Result<Cow<'a, str>, Damage>,
}

/// Why a part of the stream is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Text between objects.
    NoObject,
    /// A text within it goes on over the end of the line, or another object begins before its end.
    Broken,
    /// It is longer than may be held.
    TooLong,
    /// The stream ends in it.
    Cut,
}

/// The objects of a stream, one at a time in a reused buffer.
pub(super) struct Objects<R> {
    reader: R,
    longest: usize,
    scan: Scan,
}

impl<R: BufRead> Objects<R> {
    /// Objects of up to `longest` bytes.
    pub(super) fn new(reader: R, longest: usize) -> Objects<R> {
        Objects { reader, longest, scan: Scan::default() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Piece<'_>>> {
        self.scan.object.clear();
        let end = loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                available => available?,
            };
            if available.is_empty() {
                match self.scan.at_end() {
                    Some(damage) => break Err(damage),
                    None => return Ok(None),
                }
            }
            let room = (self.longest + 1).saturating_sub(self.scan.object.len());
            let (used, end) = self.scan.take(available.get(..room).unwrap_or(available));
            self.reader.consume(used);
            match end {
                Some(Ok(())) if self.scan.object.len() > self.longest => {
                    break Err(Damage::TooLong);
                }
                Some(end) => break end,
                None if self.scan.object.len() > self.longest => {
                    self.scan.give_up();
                    break Err(Damage::TooLong);
                }
                None => {}
            }
        };
        let text = end.map(|()| {
            let object = &self.scan.object;
            std::str::from_utf8(object)
                .map_or_else(|_| String::from_utf8_lossy(object), Cow::Borrowed)
        });
        Ok(Some(Piece { line: self.scan.begun.line + 1, text }))
    }
}

/// A place in the stream: line and byte of it, both from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    line: u64,
    column: usize,
}

/// Where in an object, or between two, the stream is.
#[derive(Default)]
struct Scan {
    /// The object so far.
    object: Vec<u8>,
    /// Where it begins, or else the text between objects.
    begun: Place,
    here: Place,
    /// Brackets that are open.
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
    /// Whether something other than spaces stands before this in its line.
    is_within_line: bool,
    /// The last byte in the object that is no space.
    before: u8,
    /// The line of text between objects.
    other: Vec<u8>,
    /// Whether everything is passed over up to a line that begins as the damaged object did.
    is_passing_over: bool,
}

impl Scan {
    /// Goes on up to the end of an object or of a part that is none; gives how many bytes that
    /// took.
    fn take(&mut self, bytes: &[u8]) -> (usize, Option<std::result::Result<(), Damage>>) {
        let mut at = 0;
        while at < bytes.len() {
            if self.is_in_text && !self.is_escaped {
                // Most of an object is text.
                let plain =
                    bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | b'\n'));
                let plain = plain.unwrap_or(bytes.len() - at);
                self.object.extend_from_slice(&bytes[at..at + plain]);
                self.here.column += plain;
                at += plain;
                if at == bytes.len() {
                    break;
                }
            }
            let byte = bytes[at];
            if self.begins_another(byte) {
                // It is met again as the beginning of its own.
                (self.depth, self.is_in_text) = (0, false);
                return (at, Some(Err(Damage::Broken)));
            }
            at += 1;
            let end = if self.depth > 0 { self.inside(byte) } else { self.between(byte) };
            self.go_on(byte);
            if end.is_some() {
                return (at, end);
            }
        }
        (at, None)
    }

    /// Whether this byte begins an object though one is open: at a start of a line where the open
    /// one began, and where JSON allows no object.
    fn begins_another(&self, byte: u8) -> bool {
        byte == b'{'
            && self.depth > 0
            && !self.is_in_text
            && !self.is_within_line
            && self.here.column == self.begun.column
            && !matches!(self.before, b':' | b'[' | b',')
    }

    fn inside(&mut self, byte: u8) -> Option<std::result::Result<(), Damage>> {
        self.object.push(byte);
        if self.is_in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_text = false,
                b'\n' => {
                    self.give_up();
                    return Some(Err(Damage::Broken));
                }
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.is_in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.before = byte;
        }
        (self.depth == 0).then_some(Ok(()))
    }

    fn between(&mut self, byte: u8) -> Option<std::result::Result<(), Damage>> {
        const RECORD_SEPARATOR: u8 = 0x1e; // RFC 7464
        if self.is_passing_over {
            let is_like_it = !self.is_within_line && self.here.column == self.begun.column;
            if !is_like_it || byte != b'{' {
                return None;
            }
            self.is_passing_over = false;
        }
        match byte {
            b'{' => {
                self.other.clear();
                self.object.push(byte);
                (self.depth, self.begun, self.before) = (1, self.here, byte);
            }
            b'\n' => return self.end_of_other().map(Err),
            b'[' | b']' | b',' | RECORD_SEPARATOR if self.other.is_empty() => {}
            byte if byte.is_ascii_whitespace() && self.other.is_empty() => {}
            byte if self.other.len() < LONGEST_OTHER => {
                if self.other.is_empty() {
                    self.begun = self.here;
                }
                self.other.push(byte);
            }
            _ => {}
        }
        None
    }

    fn go_on(&mut self, byte: u8) {
        if byte == b'\n' {
            self.here = Place { line: self.here.line + 1, column: 0 };
            self.is_within_line = false;
        } else {
            self.here.column += 1;
            self.is_within_line |= !byte.is_ascii_whitespace();
        }
    }

    /// Leaves an object that cannot be read, with its rest.
    fn give_up(&mut self) {
        (self.depth, self.is_in_text, self.is_escaped) = (0, false, false);
        self.is_passing_over = true;
    }

    /// What the text between two objects is, unless it only numbers the next one.
    fn end_of_other(&mut self) -> Option<Damage> {
        let text = std::mem::take(&mut self.other);
        let number = text.strip_prefix(b"Record ").map(<[u8]>::trim_ascii);
        let is_number = number.is_some_and(|number| number.iter().all(u8::is_ascii_digit));
        (!text.is_empty() && !is_number).then_some(Damage::NoObject)
    }

    fn at_end(&mut self) -> Option<Damage> {
        if std::mem::take(&mut self.depth) > 0 {
            return Some(Damage::Cut);
        }
        self.end_of_other()
    }
}

/// So much of the text between objects is looked at.
const LONGEST_OTHER: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn objects(text: &[u8], longest: usize) -> Vec<(u64, std::result::Result<String, Damage>)> {
        // A byte at a time, so that everything is met at the end of a buffer.
        let mut objects = Objects::new(std::io::BufReader::with_capacity(1, text), longest);
        let mut found = Vec::new();
        while let Some(piece) = objects.next().unwrap() {
            found.push((piece.line, piece.text.map(Cow::into_owned)));
        }
        found
    }

    fn good(text: &str) -> Vec<String> {
        let found = objects(text.as_bytes(), 1000);
        found.into_iter().map(|(_, text)| text.unwrap()).collect()
    }

    #[test]
    fn objects_are_found_however_they_follow_each_other() {
        let (a, b) = (r#"{"a":"}\"{[","b":[{}]}"#, r#"{"c":"\\"}"#);
        for text in [
            format!("{a}\n{b}\n"),
            format!("{a}{b}"),
            format!("[{a},{b}]"),
            format!("[\n  {a},\n  {b}\n]\n"),
            format!("\u{1e}{a}\n\u{1e}{b}\n"),
            format!("Record 7\n{a}\nRecord 8\r\n{b}"),
        ] {
            assert_eq!(good(&text), [a, b], "{text}");
        }
    }

    #[test]
    fn damage_costs_one_object_and_tells_its_line() {
        let found = objects(
            b"5,\"a\":1}\n{\n  \"a\": 1\n}\n{\n  \"b\": \"cut\n{\n  \"c\": 2\n}\n{\"d\"",
            99,
        );
        let expected = [
            (1, Err(Damage::NoObject)),
            (2, Ok("{\n  \"a\": 1\n}".to_owned())),
            (5, Err(Damage::Broken)),
            (7, Ok("{\n  \"c\": 2\n}".to_owned())),
            (10, Err(Damage::Cut)),
        ];
        assert_eq!(found, expected);
        let found = objects(b"{\n \"a\": 1\n{\n \"b\": 2\n}\n", 99);
        assert_eq!(found, [(1, Err(Damage::Broken)), (3, Ok("{\n \"b\": 2\n}".to_owned()))]);
        let found = objects(b"{\"a\":\"long enough\"}\n{\"b\":1}\n", 9);
        assert_eq!(found, [(1, Err(Damage::TooLong)), (2, Ok("{\"b\":1}".to_owned()))]);
    }

    #[test]
    fn the_start_tells_the_shape() {
        for (head, shape) in [
            ("{\"a\":1}\n", Some(Shape::Lines)),
            ("5,\"a\":1}\n{\"a\":1}\n{\"a\":1}\n", Some(Shape::Lines)),
            ("{\"a\":1}{\"a\":1}\n", Some(Shape::Stream)),
            ("{\n \"a\": {\"b\": 1}\n}\n", Some(Shape::Stream)),
            ("Record 1\n{\n \"a\": 1\n}\n", Some(Shape::Stream)),
            ("[{\"a\":1},\n{\"a\":1}]\n", Some(Shape::Stream)),
            ("[\n", Some(Shape::Stream)),
            ("[1, 2]", None),
            ("time,destination\n", None),
            ("", None),
        ] {
            assert_eq!(Shape::of(head), shape, "{head}");
        }
    }

    proptest! {
        #[test]
        fn any_objects_come_back_whole(
            values in prop::collection::vec("[{}\\[\\]\"\\\\,:a\n]{0,12}", 0..6), separator in "[ \n,]{0,3}",
        ) {
            let object = |value: &String| serde_json::json!({"v": value, "w": [{}, {"x": 1}]}).to_string();
            let expected: Vec<_> = values.iter().map(object).collect();
            prop_assert_eq!(good(&expected.join(&separator)), expected);
        }

        #[test]
        fn any_bytes_end(bytes in "[{}\\[\\]\"\\\\,:a \n]{0,60}", longest in 1usize..40) {
            for (_, text) in objects(bytes.as_bytes(), longest) {
                prop_assert!(text.is_err() || text.is_ok_and(|text| text.len() <= longest));
            }
        }
    }
}
