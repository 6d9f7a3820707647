//! A glob over paths or names, built when something first looks like a match.
//!
//! Most rules never see a path that begins as theirs do, and building all of them would take longer
//! than most queries.

use std::sync::OnceLock;

use globset::{Error, GlobBuilder, GlobMatcher};

/// Longer patterns are refused: compiled they would take megabytes.
const LONGEST: usize = 1000;
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];
/// Without any of these a pattern is a glob, whatever else it holds.
const BRACKETS: [char; 4] = ['[', ']', '{', '}'];

/// A pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    of_paths: bool,
    /// How many bytes of the text stand for themselves at its beginning.
    literal: usize,
    /// `None` of what is no glob, which has been refused.
    matcher: OnceLock<Option<GlobMatcher>>,
}

impl Pattern {
    /// Checks a pattern; of a path's, `*` and `?` stop at slashes. The error says what is wrong.
    pub(super) fn new(text: &str, of_paths: bool) -> Result<Pattern, String> {
        if text.len() > LONGEST {
            return Err(format!("has a pattern of more than {LONGEST} characters"));
        }
        if text.contains(BRACKETS) {
            matcher(text, of_paths)
                .map_err(|error| format!("has the pattern '{text}': {}", error.kind()))?;
        }
        let literal = text.find(WILDCARDS).unwrap_or(text.len());
        Ok(Pattern { text: text.to_owned(), of_paths, literal, matcher: OnceLock::new() })
    }

    /// Whether `text` matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let literal = self.text.get(..self.literal).unwrap_or_default();
        text.starts_with(literal)
            && self
                .matcher
                .get_or_init(|| matcher(&self.text, self.of_paths).ok())
                .as_ref()
                .is_some_and(|matcher| matcher.is_match(text))
    }
}

fn matcher(text: &str, of_paths: bool) -> Result<GlobMatcher, Error> {
    let mut glob = GlobBuilder::new(text);
    let glob = glob.literal_separator(of_paths).backslash_escape(false).build()?;
    Ok(glob.compile_matcher())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_has_no_brackets_is_a_glob(text in "[^\\[\\]{}]{0,40}|[*?/,!^-]{0,20}", of_paths: bool) {
            prop_assert!(matcher(&text, of_paths).is_ok());
        }
    }

    #[test]
    fn what_is_no_glob_is_refused() {
        for text in ["/opt/[a", "/opt/{a", "/opt/a}", "/opt/[z-a]"] {
            assert!(Pattern::new(text, true).unwrap_err().contains(text));
        }
    }
}
