//! Which process talks to which address on a rhythm?
//!
//! Malware calls home on a timer. This crate finds such timers in journals of which process
//! connected to where: files of many kinds go into a local cache, and virtual tables answer SQL
//! from it.
//!
//! ```text
//! journal ──► cache ──► beacon ──► table ──► host
//! ```
//!
//! Data flows one way along this street, and each room knows only those to its left:
//!
//! * [`journal`]: what happened. Readers of files and collectors of live tables turn each journal
//!   into connection events.
//! * [`cache`]: one SQLite file that keeps them, in compressed blocks per group.
//! * [`beacon`]: the maths of rhythm, without I/O and without a clock.
//! * [`table`]: columns, parameters and rows, independent of who serves them.
//! * [`host`]: who serves them: osquery, or an SQLite of our own that behaves as osquery does.
//!
//! [`report`] asks the tables as a host does, and draws what they say on a page for people;
//! [`mod@reference`] writes down what their columns are.
//!
//! Beside the street, [`suppression`] says which connections are known-benign timers', for the
//! table to hide, [`simulation`] makes journals with known implants, to try and to measure, and
//! [`words`] says numbers and times to people.

pub mod beacon;
pub mod cache;
#[cfg(target_os = "linux")]
pub mod collection;
pub mod host;
pub mod journal;
pub mod reference;
pub mod report;
pub mod simulation;
pub mod suppression;
pub mod table;
mod varint;
pub mod words;
