//! Known-benign timers: rules that say which connections are theirs.
//!
//! A rule is a name for trust, so it has to say where that trust comes from: `protected` knows the
//! folders that only administrators can write to, `rule` checks and applies one rule, `rules` puts
//! the built-in ones and the user's together. The table decides what a match hides.

mod error;
mod pattern;
mod protected;
mod rule;
mod rules;

pub use error::RuleError;
pub use rule::{Member, Rule};
pub use rules::{Rules, RulesOnPath};
