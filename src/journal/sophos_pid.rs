//! SophosPID, the name of one process instance: `pid:filetime`.
//!
//! Reading and writing that text live here; which connections belong to which instance does not.

use std::fmt;
use std::str::FromStr;

/// Seconds from 1601-01-01, where FILETIME begins, to the unix epoch.
const EPOCH_DIFFERENCE_SECONDS: i64 = 11_644_473_600;
const TICKS_PER_SECOND: i64 = 10_000_000;
const TICKS_PER_MS: i64 = TICKS_PER_SECOND / 1000;
/// Sophos on Linux writes unix seconds x 10^7. Such a number reaches this bound in the year 2337;
/// a FILETIME passed it in 1968.
const LEAST_FILETIME: i64 = 116_000_000_000_000_000;

/// A point in time as 100-ns ticks since 1601-01-01 UTC (Windows' FILETIME).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(i64);

impl FileTime {
    /// From ticks as found in a journal: FILETIME, or unix seconds x 10^7 as Sophos writes on
    /// Linux. `None` if `ticks` <= 0, which stands for "unknown".
    pub fn from_journal_ticks(ticks: i64) -> Option<FileTime> {
        match ticks {
            ..=0 => None,
            LEAST_FILETIME.. => Some(FileTime(ticks)),
            unix => Some(FileTime(unix + EPOCH_DIFFERENCE_SECONDS * TICKS_PER_SECOND)),
        }
    }

    /// From unix milliseconds; `None` if the time does not fit.
    pub fn from_unix_ms(ms: i64) -> Option<FileTime> {
        let ticks = ms.checked_mul(TICKS_PER_MS)?;
        ticks.checked_add(EPOCH_DIFFERENCE_SECONDS * TICKS_PER_SECOND).map(FileTime)
    }

    /// Unix milliseconds, rounded down.
    pub fn unix_ms(self) -> i64 {
        self.0.div_euclid(TICKS_PER_MS) - EPOCH_DIFFERENCE_SECONDS * 1000
    }

    /// 100-ns ticks since 1601-01-01.
    pub fn ticks(self) -> i64 {
        self.0
    }

    /// From ticks that [`FileTime::ticks`] gave.
    pub fn from_ticks(ticks: i64) -> FileTime {
        FileTime(ticks)
    }
}

/// One process instance: a pid and, where known, when the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SophosPid {
    /// The process id.
    pub pid: u32,
    /// The process start; `None` is written as 0.
    pub start: Option<FileTime>,
}

/// The text is not `pid:filetime`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a SophosPID: expected pid:filetime, like 4242:133591392000000000")]
pub struct ParseSophosPidError(String);

impl FromStr for SophosPid {
    type Err = ParseSophosPidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |text: &str| {
            let colon = text.bytes().position(|byte| byte == b':')?;
            let (pid, ticks) = (&text[..colon], &text[colon + 1..]);
            let ticks: i64 = ticks.parse().ok().filter(|ticks| *ticks >= 0)?;
            Some(SophosPid { pid: pid.parse().ok()?, start: FileTime::from_journal_ticks(ticks) })
        };
        let parsed = parse(text).or_else(|| parse(text.trim()));
        parsed.ok_or_else(|| ParseSophosPidError(text.to_owned()))
    }
}

impl fmt::Display for SophosPid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start.map_or(0, FileTime::ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_epochs_are_read_and_filetime_is_written() {
        // 2024-05-03 00:00:00 UTC is unix 1714694400.
        for text in ["4242:133591680000000000", "4242:17146944000000000"] {
            let sophos_pid: SophosPid = text.parse().unwrap();
            assert_eq!(sophos_pid.start.unwrap().unix_ms(), 1_714_694_400_000);
            assert_eq!(sophos_pid.to_string(), "4242:133591680000000000");
        }
        assert_eq!("7:0".parse::<SophosPid>().unwrap().to_string(), "7:0");
        for text in ["", "7", "7:", ":1", "x:1", "7:-5", "7:99999999999999999999"] {
            assert!(text.parse::<SophosPid>().is_err(), "{text}");
        }
    }
}
