//! Rows as a table that fits the terminal: text to the left, numbers by their decimal point.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use textwrap::core::Word;
use textwrap::{WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::UnicodeWidthStr;

use super::output::Answer;
use super::say::HEADING;

/// Text is not broken into narrower columns than this.
const LEAST_TEXT_WIDTH: usize = 12;

/// `answer` as a table no wider than `width`; `None` where it could not be read in so little room.
pub fn draw(answer: &Answer, width: usize) -> Option<String> {
    let mut rows = vec![answer.names.clone()];
    rows.extend(answer.rows.iter().cloned());
    for column in numbers(answer) {
        align_points(&mut rows[1..], column);
    }
    let columns: Vec<_> = (0..answer.names.len())
        .map(|column| Widths::of(column, answer.holds_text[column], &rows))
        .collect();
    wrap_cells(&mut rows, &share(&columns, width)?);
    let lines = rows.iter().map(|row| height(row)).sum::<usize>();
    let as_lines = rows.len() * (columns.len() + 1);
    if lines > as_lines {
        return None;
    }

    let header = 1..=height(&rows[0]);
    let mut rows = rows.into_iter();
    let mut table = Table::new();
    table.load_style(presets::ASCII_FULL_CONDENSED);
    table.set_header(rows.next()?);
    table.add_rows(rows);
    for column in numbers(answer) {
        table.column_mut(column)?.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = String::new();
    for (index, line) in table.lines().enumerate() {
        let style = if header.contains(&index) { HEADING } else { Default::default() };
        writeln!(text, "{style}{line}{style:#}").ok()?;
    }
    Some(text)
}

/// The columns without text.
fn numbers(answer: &Answer) -> impl Iterator<Item = usize> {
    (0..answer.names.len()).filter(|column| !answer.holds_text[*column])
}

/// Fills the numbers of a column up on the right, so that their points stand in one line.
fn align_points(rows: &mut [Vec<String>], column: usize) {
    let after_point = |number: &str| number.find('.').map_or(0, |point| number.len() - point);
    let most = rows.iter().map(|row| after_point(&row[column])).max().unwrap_or(0);
    for row in rows {
        let number = &mut row[column];
        number.extend(std::iter::repeat_n(' ', most - after_point(number)));
    }
}

/// How wide a column wants to be, and how narrow it may be.
struct Widths {
    natural: usize,
    least: usize,
}

impl Widths {
    /// Of a column of `rows`, whose first is the header. A number stays in one piece, and so do
    /// the words of the header.
    fn of(column: usize, holds_text: bool, rows: &[Vec<String>]) -> Widths {
        let header = &rows[0][column];
        let longest = rows[1..].iter().map(|row| row[column].width()).max().unwrap_or(0);
        let longest_word = pieces(header).map(|word| word.width()).max().unwrap_or(0);
        let least = if holds_text { longest.min(LEAST_TEXT_WIDTH) } else { longest };
        Widths { natural: longest.max(header.width()), least: least.max(longest_word) }
    }
}

/// Widths that fit: what is left over goes to the narrowest, until all have what they want.
fn share(columns: &[Widths], width: usize) -> Option<Vec<usize>> {
    let borders = 3 * columns.len() + 1;
    let mut widths: Vec<_> = columns.iter().map(|column| column.least).collect();
    let mut room = width.checked_sub(borders + widths.iter().sum::<usize>())?;
    while room > 0 {
        let wanting = widths.iter_mut().zip(columns).filter(|(width, of)| **width < of.natural);
        let Some((narrowest, _)) = wanting.min_by_key(|(width, _)| **width) else {
            break;
        };
        *narrowest += 1;
        room -= 1;
    }
    Some(widths)
}

fn wrap_cells(rows: &mut [Vec<String>], widths: &[usize]) {
    for (cell, width) in rows.iter_mut().flat_map(|row| row.iter_mut().zip(widths)) {
        if cell.width() > *width {
            *cell = wrap(cell, *width);
        }
    }
}

fn wrap(text: &str, width: usize) -> String {
    let options = textwrap::Options::new(width)
        .word_separator(WordSeparator::Custom(|text| Box::new(pieces(text).map(Word::from))))
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).join("\n")
}

/// The parts between which a line may be broken: of a path its folders, of a name its words.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '\\', '/', '_', ':', ','])
}

fn height(row: &[String]) -> usize {
    row.iter().map(|cell| cell.lines().count()).max().unwrap_or(0).max(1)
}
