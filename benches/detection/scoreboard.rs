//! What came of it: for each kind of group, the share that each detector named.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use comfy_table::Table;
use comfy_table::presets::ASCII_BORDERS_ONLY_CONDENSED;

use crate::detectors::DETECTORS;
use crate::keeps_time::keeps_time;

/// How many of the groups that `periodic` named keep time whatever it says.
const KEEP_TIME: &str = "keep time";

/// A line a kind of group, in the order in which they came.
#[derive(Default)]
pub struct Scoreboard(Vec<Line>);

struct Line {
    section: String,
    kind: String,
    groups: u64,
    named: [u64; DETECTORS.len()],
    /// Of those that `periodic` named, how many keep time by a mark of its own.
    keep_time: u64,
}

impl Scoreboard {
    /// Counts a group with connections at `times_ms`.
    pub fn count(
        &mut self,
        section: &str,
        kind: &str,
        times_ms: &[i64],
        verdicts: [bool; DETECTORS.len()],
    ) {
        let at = self.0.iter().position(|line| line.section == section && line.kind == kind);
        let at = at.unwrap_or_else(|| {
            let (section, kind) = (section.to_owned(), kind.to_owned());
            self.0.push(Line {
                section,
                kind,
                groups: 0,
                named: [0; DETECTORS.len()],
                keep_time: 0,
            });
            self.0.len() - 1
        });
        let line = &mut self.0[at];
        line.groups += 1;
        for (named, verdict) in line.named.iter_mut().zip(verdicts) {
            *named += u64::from(verdict);
        }
        if verdicts[DETECTORS.len() - 1] {
            line.keep_time += u64::from(keeps_time(times_ms));
        }
    }

    /// The shares, 0 to 1, with a header.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let mut csv = csv::Writer::from_path(path)?;
        csv.write_record(
            ["section", "kind", "groups"].iter().chain(&DETECTORS).chain(&[KEEP_TIME]),
        )?;
        for line in &self.0 {
            let shares = line.shares().map(|share| format!("{share:.4}"));
            let head = [line.section.clone(), line.kind.clone(), line.groups.to_string()];
            csv.write_record(head.iter().chain(&shares).chain(&[line.keep_time.to_string()]))?;
        }
        Ok(csv.flush()?)
    }
}

impl Line {
    fn shares(&self) -> [f64; DETECTORS.len()] {
        self.named.map(|named| named as f64 / self.groups as f64)
    }
}

impl fmt::Display for Scoreboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(ASCII_BORDERS_ONLY_CONDENSED);
        table
            .set_header(["named by, %", "", "groups"].iter().chain(&DETECTORS).chain(&[KEEP_TIME]));
        let mut section = "";
        for line in &self.0 {
            let is_new = section != line.section;
            section = &line.section;
            let shares = line.shares().map(|share| format!("{:.1}", share * 100.0));
            let shown = if is_new { section } else { "" };
            let head = [shown.to_owned(), line.kind.clone(), line.groups.to_string()];
            let keep_time = [line.keep_time.to_string()];
            table.add_row(head.iter().chain(&shares).chain(&keep_time));
        }
        table.fmt(f)
    }
}
