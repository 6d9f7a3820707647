//! What the rows of a journal have in common, found out by reading its start once in advance, or all
//! of it where the start does not tell: which of 5/4/2026 is the month, say.

use std::convert::Infallible;
use std::io::BufRead;

use super::start::Start;
use super::{Source, read_text};
use crate::journal::delivery::{Delivery, Habits, JournalSink, Rejection};
use crate::journal::{ConnectionEvent, ProcessEvent};

/// The habits of the journal that starts with `start`.
pub(super) fn habits(start: &Start, source: &Source) -> Habits {
    if !start.has_habits() {
        return Habits::default();
    }
    let longest_line = source.longest_line();
    let head = source.peek();
    // What is cut by the end of the head would be misread.
    let whole_lines = memchr::memrchr(b'\n', head).map_or(head.len(), |end| end + 1);
    let (habits, needs_more) = habits_of(start, &head[..whole_lines], longest_line);
    if !needs_more || source.is_short() {
        return habits;
    }
    match source.again() {
        Some(whole) => habits_of(start, whole, longest_line).0,
        // A stream cannot be read twice: what its start does not tell is not guessed.
        None => Habits { private_is_local: false, ..habits },
    }
}

/// The habits of the rows in a text, and whether more rows could tell more.
fn habits_of(start: &Start, text: impl BufRead, longest_line: Option<usize>) -> (Habits, bool) {
    let mut nobody = Nobody;
    let mut delivery = Delivery::new(&mut nobody);
    let _ = read_text(start.clone(), text, longest_line, &mut delivery);
    (delivery.habits(), delivery.needs_more())
}

/// Takes events, and lets them go.
struct Nobody;

impl JournalSink for Nobody {
    type Error = Infallible;

    fn connection(&mut self, _event: &ConnectionEvent<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn process(&mut self, _event: &ProcessEvent<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn rejected(&mut self, _rejection: Rejection) {}
}
