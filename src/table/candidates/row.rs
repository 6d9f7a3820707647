//! What the columns of a row are computed from.

use std::rc::Rc;

use super::gather::ResultGroup;
use super::statistics::Statistics;
use crate::beacon::periodicity::Periodicity;
use crate::cache::Instance;

/// Who talks to whom, as text; '' is also what no column needs.
#[derive(Default)]
pub(super) struct Parties {
    pub(super) instance: Option<Instance>,
    pub(super) host: Rc<str>,
    pub(super) destination: Rc<str>,
    pub(super) destinations: String,
    pub(super) domain: String,
    pub(super) scope: &'static str,
    pub(super) tuple: String,
}

impl Parties {
    pub(super) fn pathname(&self) -> &str {
        self.instance.as_ref().map_or("", |instance| &instance.pathname)
    }

    pub(super) fn sophos_pid(&self) -> String {
        self.instance.as_ref().map(Instance::sophos_pid_text).unwrap_or_default()
    }

    pub(super) fn cmdline(&self) -> &str {
        self.instance.as_ref().map_or("", |instance| &instance.cmdline)
    }

    pub(super) fn pid(&self) -> Option<i64> {
        let sophos_pid = self.instance.as_ref().and_then(|instance| instance.sophos_pid);
        sophos_pid.map(|sophos_pid| i64::from(sophos_pid.pid))
    }
}

/// All that a row is made of.
pub(super) struct CandidateRow<'a> {
    pub(super) group: &'a ResultGroup,
    pub(super) statistics: &'a Statistics,
    pub(super) parties: &'a Parties,
    pub(super) suppressed_by: &'a str,
}

impl CandidateRow<'_> {
    /// Period, jitter and missed check-ins, if they are known.
    pub(super) fn periodicity(&self) -> Option<Periodicity> {
        self.statistics.rhythm.and_then(|rhythm| rhythm.periodicity)
    }
}
