//! When `latest` is: with the last connection, unless that is one of a few with impossible times, as
//! a host whose clock is wrong writes them.

use anyhow::Result;
use beacon_candidates::beacon::Window;
use beacon_candidates::cache::{CacheError, Reader};
use beacon_candidates::words;

/// Clocks may differ so much: a time zone that was left out is no fault of a clock.
const TOLERANCE_MS: i64 = 86_400_000;
/// Where all times lie ahead of this machine's clock, a break in them of so long...
const BREAK_MS: i64 = 30 * 86_400_000;
/// ...after this share of all connections cuts off what follows.
const NEARLY_ALL: f64 = 0.95;

/// When the window ends.
pub struct Latest {
    /// Unix milliseconds; `None` if there is no connection.
    pub ms: Option<i64>,
    /// What to say of connections that are later still.
    pub note: Option<String>,
}

/// The latest connection that is not after `now_ms`, with some tolerance; or else the latest that
/// nearly all others lie close to.
pub fn latest(reader: &Reader, now_ms: i64) -> Result<Latest> {
    let Some(last_ms) = reader.last_ms()? else {
        return Ok(Latest { ms: None, note: None });
    };
    let limit_ms = now_ms.saturating_add(TOLERANCE_MS);
    if last_ms <= limit_ms {
        return Ok(Latest { ms: Some(last_ms), note: None });
    }
    let all = reader.totals()?.connections;
    let mut until = until(reader, limit_ms)?;
    if until.connections == 0 {
        until = until_break(reader, all, last_ms)?;
    }
    let outside = all - until.connections;
    let note = (outside > 0).then(|| {
        format!(
            "The window ends at {}: {} dated later, up to {}, ahead of this machine's clock. --now \
             sets another end.",
            words::time(until.last_ms),
            match outside {
                1 => "1 connection is".to_owned(),
                _ => format!("{} are", words::count(outside, "connection")),
            },
            words::time(last_ms),
        )
    });
    Ok(Latest { ms: Some(until.last_ms), note })
}

/// The connections up to some time.
#[derive(Clone, Copy, Default)]
struct Until {
    connections: u64,
    last_ms: i64,
}

fn until(reader: &Reader, until_ms: i64) -> Result<Until> {
    let mut found = Until::default();
    let window = Window { since_ms: 0, until_ms };
    reader.outlines(window, |_, outline, _| {
        found.connections += outline.connections;
        found.last_ms = found.last_ms.max(outline.span_ms.1);
        Ok::<_, CacheError>(())
    })?;
    Ok(found)
}

/// The connections up to the first long break after nearly all of them.
fn until_break(reader: &Reader, all: u64, last_ms: i64) -> Result<Until> {
    let enough = (all as f64 * NEARLY_ALL).ceil() as u64;
    let (mut before_ms, mut after_ms) = (-1, last_ms);
    while after_ms - before_ms > 1 {
        let middle_ms = before_ms + (after_ms - before_ms) / 2;
        match until(reader, middle_ms)?.connections >= enough {
            true => after_ms = middle_ms,
            false => before_ms = middle_ms,
        }
    }
    let mut found = until(reader, after_ms)?;
    loop {
        let next = until(reader, found.last_ms.saturating_add(BREAK_MS))?;
        if next.connections == found.connections {
            return Ok(found);
        }
        found = next;
    }
}
