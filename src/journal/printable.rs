//! Text from a journal, made fit for a terminal or a message.

/// Longer texts are cut in messages.
const LONGEST_SHOWN: usize = 300;

/// `text` with a mark in place of each character that could steer a terminal, or turn the
/// direction of what follows it.
pub fn printable(text: &str) -> String {
    let is_steering =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect()
}

/// The same, cut to what a message can bear.
pub(super) fn printable_cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(text),
    }
}
