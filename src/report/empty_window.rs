//! A window without a connection: what there is instead.

use super::facts::Facts;
use crate::table::{QueryContext, Table, TableError, Tables};
use crate::words;

/// Says which times the cache holds, and how to ask for them.
pub fn empty_window(tables: &Tables, now_ms: i64) -> Result<String, TableError> {
    let table = Table::BeaconStatus;
    let rows = tables.answer(table, &QueryContext::default(), now_ms)?.rows;
    let mut rows = rows.into_iter().map(|row| Facts::new(table, row));
    let cache = rows.find(|facts| facts.raw("source") == "cache");
    let held = cache.and_then(|facts| {
        let connections = words::count(facts.count("events_total")?, "connection");
        Some((connections, facts.time("cache_first")?, facts.time("cache_last")?))
    });
    Ok(match held {
        Some((connections, first, last)) => format!(
            "The window holds no connection; the cache holds {connections} from {first} to {last}. \
             --now latest ends the window there."
        ),
        None => "The window holds no connection, and neither does the cache.".to_owned(),
    })
}
