//! The detectors: each decides by its own rule whether a group's connections look like a beacon.
//!
//! A detector is one file, and one line in [`DETECTORS`]. It says which groups it can rule out by a
//! sketch alone, so that most of them need no reading, and which of the others it names by the times of
//! their connections.

mod evidence;
pub mod fixed_interval;
pub mod periodic;
pub mod repetitive_interval;

pub use evidence::{Evidence, Findings};

use super::sketch::{Outline, Sketch};

/// All detectors, in the order in which rows name them.
pub const DETECTORS: [Detector; 3] =
    [fixed_interval::DETECTOR, repetitive_interval::DETECTOR, periodic::DETECTOR];

/// A detector, as queries know it.
pub struct Detector {
    /// Its name in `detected_by`.
    pub name: &'static str,
    /// The numbers that it compares with.
    pub thresholds: &'static [Threshold],
    /// What it says of a group before the times of its connections are read, with values for its
    /// thresholds.
    pub prefilter: fn(&Known<'_>, &[f64]) -> Verdict,
    /// Whether it names the group.
    pub names: fn(&mut Evidence<'_>, &[f64]) -> bool,
}

/// A number that a detector compares with: a parameter of queries.
#[derive(Debug)]
pub struct Threshold {
    /// The parameter's name.
    pub name: &'static str,
    /// What it does, in a line.
    pub description: &'static str,
    /// What it takes, in words.
    pub expected: &'static str,
    /// The value where none is given.
    pub default: f64,
    /// The least and the greatest value that it takes.
    pub range: (f64, f64),
    /// Whether it takes whole numbers only.
    pub is_whole: bool,
}

/// What is known of a group before the times of its connections are read.
pub struct Known<'a> {
    /// How many connections it has.
    pub connections: u64,
    /// Whether some of them may be to a public address and a port other than 0.
    pub may_be_public: bool,
    /// Their sketch, where they are those of one group of the cache. Put together or taken apart,
    /// connections have other intervals.
    pub sketch: Option<&'a Sketch>,
}

impl Known<'_> {
    fn outline(&self) -> Option<&Outline> {
        self.sketch.map(|sketch| &sketch.outline)
    }
}

/// What a detector says of a group before the times of its connections are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It would not name the group.
    RuledOut,
    /// The times have to be looked at.
    #[default]
    Open,
    /// It names the group.
    Named,
}

impl Verdict {
    /// That of a detector which can only rule out.
    fn open_if(may_be_named: bool) -> Verdict {
        if may_be_named { Verdict::Open } else { Verdict::RuledOut }
    }
}

/// What every detector says of a group, in the order of [`DETECTORS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefilter([Verdict; DETECTORS.len()]);

impl Prefilter {
    /// Of a group of which this is known, with values for all thresholds of all detectors.
    pub fn of_group(known: &Known<'_>, thresholds: &[f64]) -> Prefilter {
        let mut verdicts = [Verdict::RuledOut; DETECTORS.len()];
        for (verdict, (detector, own)) in verdicts.iter_mut().zip(with_thresholds(thresholds)) {
            *verdict = (detector.prefilter)(known, own);
        }
        Prefilter(verdicts)
    }

    /// Whether any detector may name the group.
    pub fn may_be_named(self) -> bool {
        self.0.iter().any(|verdict| *verdict != Verdict::RuledOut)
    }

    /// Whether a detector is known to name it.
    pub fn is_named(self) -> bool {
        self.0.contains(&Verdict::Named)
    }

    /// Whether times would tell what is not known yet.
    pub fn is_open(self) -> bool {
        self.0.contains(&Verdict::Open)
    }

    /// Whether its rhythm may have a score above 0.
    pub fn may_hold_rhythm(self) -> bool {
        DETECTORS.iter().zip(self.0).any(|(detector, verdict)| {
            detector.name == periodic::NAME && verdict != Verdict::RuledOut
        })
    }
}

/// The names of the detectors that name a group, asking only those that have not ruled it out, with
/// values for all thresholds of all detectors.
pub fn detected_by(
    evidence: &mut Evidence<'_>,
    prefilter: Prefilter,
    thresholds: &[f64],
) -> impl Iterator<Item = &'static str> {
    let verdicts = with_thresholds(thresholds).zip(prefilter.0);
    verdicts.filter_map(|((detector, own), verdict)| {
        let names = match verdict {
            Verdict::RuledOut => false,
            Verdict::Open => (detector.names)(evidence, own),
            Verdict::Named => true,
        };
        names.then_some(detector.name)
    })
}

/// Each detector with its part of the values for all thresholds.
fn with_thresholds(mut values: &[f64]) -> impl Iterator<Item = (&'static Detector, &[f64])> {
    const ALL: &[Detector] = &DETECTORS;
    ALL.iter().map(move |detector| {
        let (own, rest) = values.split_at(detector.thresholds.len().min(values.len()));
        values = rest;
        (detector, own)
    })
}
