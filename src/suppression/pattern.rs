//! A glob over paths or names, compiled when something first looks like a match.
//!
//! Most rules never see a path that begins as theirs do, and compiling all of them would take
//! longer than most queries.

use std::sync::OnceLock;

use globset::{Glob, GlobBuilder, GlobMatcher};

/// Longer patterns are refused: compiled they would take megabytes.
const LONGEST: usize = 1000;
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

/// A pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    glob: Glob,
    /// How many bytes of the pattern stand for themselves at its beginning.
    literal: usize,
    matcher: OnceLock<GlobMatcher>,
}

impl Pattern {
    /// Checks a pattern; of a path's, `*` and `?` stop at slashes. The error says what is wrong.
    pub(super) fn new(pattern: &str, of_paths: bool) -> Result<Pattern, String> {
        if pattern.len() > LONGEST {
            return Err(format!("has a pattern of more than {LONGEST} characters"));
        }
        let glob = GlobBuilder::new(pattern)
            .literal_separator(of_paths)
            .backslash_escape(false)
            .build()
            .map_err(|error| format!("has the pattern '{pattern}': {}", error.kind()))?;
        let literal = pattern.find(WILDCARDS).unwrap_or(pattern.len());
        Ok(Pattern { glob, literal, matcher: OnceLock::new() })
    }

    /// Whether `text` matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let literal = self.glob.glob().get(..self.literal).unwrap_or_default();
        text.starts_with(literal)
            && self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(text)
    }
}
