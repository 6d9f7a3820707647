//! Which process talks to which address on a rhythm?
//!
//! Malware calls home on a timer. This crate finds such timers in journals of which process
//! connected to where: files of many kinds go into a local cache, and virtual tables answer SQL
//! from it.
//!
//! ```text
//! journal ──► cache ──► table ──► host
//!                 beacon
//! ```
//!
//! Data flows one way along this street, and each room knows only those to its left:
//!
//! * [`journal`]: what happened. Readers of files and collectors of live tables turn each journal
//!   into connection events.
//! * [`cache`]: one SQLite file that keeps them, in compressed blocks per group.
//! * [`table`]: columns, parameters and rows, independent of who serves them.
//! * [`host`]: who serves them: osquery, or an SQLite of our own that behaves as osquery does.
//!
//! [`beacon`] lies below: the maths of rhythm, without I/O, clock and storage. Every room may use it.
//!
//! # One connection in
//!
//! ```text
//! a line ──► ConnectionEvent ──► Writer::connection ──► Batch ──► update_blocks ──► block + payload
//! ```
//!
//! A reader (`journal::reader::read`) or a collector (`Collector::collect`) makes a
//! [`journal::ConnectionEvent`] of each line or row, and hands it to [`cache::Pass`]. `Writer::connection`
//! replaces its texts by row ids (`Names`, `Instances`) and puts it into the `Batch` of connections that
//! wait. When the batch is full or the pass ends, `Writer::merge_waiting` goes through it group by group:
//! `update_blocks` reads the few blocks of the group that the new connections fall into, `merge` leaves
//! out those that are there already, `block::split` cuts the rest into blocks, and `blocks::write` stores
//! each: its connections, encoded by `block::encode`, in the table `payload`, and its `BlockRow`, with the
//! sketch that `sketch::encode` makes of its times, in the table `block`. All of it is one transaction
//! with what `beacon_status` tells of the source (`sources::record`).
//!
//! # One question out
//!
//! ```text
//! SELECT ──► QueryContext ──► QueryPlan ──► Scan::run ──► grouping ──► GroupEvaluator ──► Row
//!                                           (sketches)                 (connections)
//! ```
//!
//! A host (`host::embedded`, `host::osquery`) turns the WHERE of a query into a
//! [`table::QueryContext`] and calls [`table::Tables::generate`]. For `beacon_candidates`
//! `QueryPlan::new` works out the parameters, the constraints and what the columns need. `Scan::run` goes
//! through the sketches of all blocks (`Reader::sketches`), adds up those of each group, and asks every
//! detector what they rule out (`Prefilter::of_group`): most groups end here, unread. `grouping::runs`
//! puts together those that share a row. `GroupEvaluator::evaluate` reads the times of each
//! (`Gatherer::whole`), asks the detectors (`detected_by`), reads what else the columns need, computes
//! the `Statistics`, and lets each column's definition compute its value. Rows are ordered by score, and
//! `row_limit` cuts the rest.
//!
//! # Beside the street
//!
//! [`report`] asks the tables as a host does, and draws what they say on a page for people;
//! [`mod@reference`] writes down what their columns are.
//!
//! [`suppression`] says which connections are known-benign timers', for the
//! table to hide, [`simulation`] makes journals with known implants, to try and to measure, and
//! [`words`] says numbers and times to people.

// What is public is what the program, the tests and the benches use.
#![warn(unreachable_pub)]

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
