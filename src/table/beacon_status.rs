//! `beacon_status`: one row a source of connections and one for the cache, so that a fleet sees
//! which host is blind.

use super::tables::{Answer, Facts};
use super::{Row, TableError, Value};
use crate::cache::{CacheError, Evicted, Reader, Reason, Totals};

/// The cache's own row: its name, and that of the writer's notes on it.
const CACHE: &str = "cache";
/// For so long after connections had to go for the cache's size, its state has a warning.
const WARNS_MS: u64 = 86_400_000;

/// All rows.
pub(super) fn generate(
    reader: &Reader,
    facts: &Facts<'_>,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let seconds = |ms: Option<i64>| Value::from(ms.map(|ms| ms.div_euclid(1000)));
    let lag = |last_ms: Option<i64>| seconds(last_ms.map(|last_ms| now_ms - last_ms));
    let mut note = String::new();
    let mut rows: Vec<Row> = Vec::new();
    for source in reader.sources()? {
        if source.name == CACHE {
            note = source.last_error;
            continue;
        }
        let mut row = vec![
            source.name.into(),
            source.state.into(),
            seconds(Some(source.last_poll_ms)),
            seconds(source.last_event_ms),
            source.events_total.into(),
            source.events_duplicate.into(),
            source.events_rejected.into(),
            lag(source.last_event_ms),
            source.last_error.into(),
            "".into(),
        ];
        row.extend(std::iter::repeat_n(Value::Null, 14));
        row.push(env!("CARGO_PKG_VERSION").into());
        rows.push(row.into());
    }
    let (state, reason) = facts.cache_use.describe();
    let last_error = if reason.is_empty() { note } else { reason };
    let totals = reader.totals()?;
    let lag = lag(totals.last_ms);
    let evicted = reader.evicted()?;
    let state = match is_full(&evicted, now_ms) {
        true => format!("{state}; full, so that the oldest go before their time"),
        false => state.to_owned(),
    };
    rows.push(cache_row(&state, last_error, Some((totals, evicted)), lag, facts));
    Ok(Answer { rows, ..Answer::default() })
}

/// Whether connections had to go for the cache's size lately.
fn is_full(evicted: &[Evicted; 4], now_ms: i64) -> bool {
    let mut by_reason = Reason::ALL.iter().zip(evicted);
    by_reason.any(|(reason, evicted)| {
        let is_for_size = matches!(reason, Reason::Size | Reason::Share);
        is_for_size && evicted.last_ms.is_some_and(|last| last.abs_diff(now_ms) < WARNS_MS)
    })
}

/// The one row of a cache that cannot be read.
pub(super) fn without_cache(facts: &Facts<'_>, error: &CacheError) -> Answer {
    let (_, reason) = facts.cache_use.describe();
    let last_error = match error {
        // That there is none follows from the reason.
        CacheError::Missing { .. } if !reason.is_empty() => reason,
        _ if reason.is_empty() => error.to_string(),
        _ => format!("{reason}; {error}"),
    };
    let rows = vec![cache_row("unreadable", last_error, None, Value::Null, facts)];
    Answer { rows, ..Answer::default() }
}

fn cache_row(
    state: &str,
    last_error: String,
    held: Option<(Totals, [Evicted; 4])>,
    lag: Value,
    facts: &Facts<'_>,
) -> Row {
    let totals = held.as_ref().map(|(totals, _)| totals);
    let evicted = held.as_ref().map(|(_, evicted)| evicted);
    let of = |part: fn(&Totals) -> u64| Value::from(totals.map(part));
    let time = |part: fn(&Totals) -> Option<i64>| {
        Value::from(totals.and_then(part).map(|ms| ms.div_euclid(1000)))
    };
    let last_query = facts.last_query;
    let mut row = vec![
        CACHE.into(),
        state.into(),
        Value::Null,
        time(|totals| totals.last_ms),
        of(|totals| totals.connections),
        Value::Null,
        Value::Null,
        lag,
        last_error.into(),
        facts.cache.display().to_string().into(),
        of(|totals| totals.bytes),
        time(|totals| totals.first_ms),
        time(|totals| totals.last_ms),
        of(|totals| totals.groups),
        last_query.map(|last| last.milliseconds).into(),
        last_query.map(|last| last.rows).into(),
        last_query.map(|last| last.cost.blocks).into(),
        last_query.map(|last| last.cost.bytes).into(),
        last_query.map(|last| last.rows_cut).into(),
        last_query.map(|last| last.rows_suppressed).into(),
    ];
    row.extend(
        (0..Reason::ALL.len())
            .map(|reason| Value::from(evicted.map(|evicted| evicted[reason].connections))),
    );
    row.push(env!("CARGO_PKG_VERSION").into());
    row.into()
}
