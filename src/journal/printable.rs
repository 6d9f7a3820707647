//! Text from a journal, made fit for a terminal or a message.

/// Longer texts are cut in messages.
const LONGEST_SHOWN: usize = 300;

/// `text` with a mark in place of each character that could steer a terminal, end a line, turn
/// the direction of what follows it, or that nobody sees.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect()
}

/// The joiners U+200C and U+200D are left: words of some languages need them.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// The same, cut to what a message can bear.
pub(super) fn printable_cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(text),
    }
}
