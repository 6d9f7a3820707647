//! `beacon_status`: one row a source of connections and one for the cache, so that a fleet sees
//! which host is blind.

use super::tables::{Answer, LastQuery};
use super::{Row, TableError, Value};
use crate::cache::Reader;

/// The cache's own row: its name, and that of the writer's notes on it.
const CACHE: &str = "cache";

/// All rows.
pub(super) fn generate(
    reader: &Reader,
    last_query: Option<LastQuery>,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let seconds = |ms: Option<i64>| Value::from(ms.map(|ms| ms.div_euclid(1000)));
    let lag = |last_ms: Option<i64>| seconds(last_ms.map(|last_ms| now_ms - last_ms));
    let totals = reader.totals()?;
    let mut last_error = String::new();
    let mut rows: Vec<Row> = Vec::new();
    for source in reader.sources()? {
        if source.name == CACHE {
            last_error = source.last_error;
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
        row.extend(std::iter::repeat_n(Value::Null, 7));
        row.push(env!("CARGO_PKG_VERSION").into());
        rows.push(row);
    }
    rows.push(vec![
        CACHE.into(),
        "reading".into(),
        Value::Null,
        seconds(totals.last_ms),
        totals.connections.into(),
        Value::Null,
        Value::Null,
        lag(totals.last_ms),
        last_error.into(),
        reader.path().display().to_string().into(),
        totals.bytes.into(),
        seconds(totals.first_ms),
        seconds(totals.last_ms),
        totals.groups.into(),
        last_query.map(|last| last.milliseconds).into(),
        last_query.map(|last| last.rows).into(),
        last_query.map(|last| last.rows_cut).into(),
        env!("CARGO_PKG_VERSION").into(),
    ]);
    Ok(Answer { rows, rows_cut: 0, window_is_empty: false })
}
