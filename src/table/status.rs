//! `beacon_status`: one row a source of connections and one for the cache, so that a fleet sees
//! which host is blind.

use super::column::{Definition, Needs, declared};
use super::tables::{Answer, Facts, LastQuery};
use super::{Column, Kind, Row, TableError, Value};
use crate::cache::{CacheError, Evicted, Reader, Reason, Source, Totals};

/// The cache's own row: its name, and that of the writer's notes on it.
const CACHE: &str = "cache";
/// For this long after connections had to go for the cache's size, its state has a warning.
const WARNS_MS: u64 = 86_400_000;

/// As the columns are declared.
pub(super) static COLUMNS: [Column; DEFINITIONS.len()] = declared(DEFINITIONS);

/// What a row is made of: a source, or the cache as a whole.
struct StatusRow<'a> {
    /// `None` for the cache.
    source: Option<&'a Source>,
    facts: &'a Facts<'a>,
    /// What the cache holds; `None` for a source, or if it cannot be read.
    totals: Option<&'a Totals>,
    /// Connections that the cache had to let go, in the order of [`Reason::ALL`]; `None` as `totals`.
    evicted: Option<&'a [Evicted; Reason::ALL.len()]>,
    /// Of the cache.
    state: &'a str,
    last_error: &'a str,
    now_ms: i64,
}

impl<'a> StatusRow<'a> {
    fn of_cache(&self) -> Option<&'a Facts<'a>> {
        self.source.is_none().then_some(self.facts)
    }

    fn last_query(&self) -> Option<LastQuery> {
        self.of_cache()?.last_query
    }

    fn last_event_ms(&self) -> Option<i64> {
        match self.source {
            Some(source) => source.last_event_ms,
            None => self.totals?.last_ms,
        }
    }

    fn evicted(&self, reason: Reason) -> Value {
        let mut by_reason = Reason::ALL.iter().zip(self.evicted.into_iter().flatten());
        by_reason.find(|(each, _)| **each == reason).map(|(_, evicted)| evicted.connections).into()
    }

    fn row(&self) -> Row {
        let values: Vec<_> = DEFINITIONS.iter().map(|column| (column.value)(self)).collect();
        Row::from(values)
    }
}

fn seconds(ms: Option<i64>) -> Value {
    ms.map(|ms| ms.div_euclid(1000)).into()
}

type StatusColumn = Definition<fn(&StatusRow<'_>) -> Value>;

const fn column(column: Column, value: fn(&StatusRow<'_>) -> Value) -> StatusColumn {
    Definition { column, needs: Needs::NOTHING, value }
}

const DEFINITIONS: &[StatusColumn] = &[
    column(
        Column::new(
            "source",
            Kind::Text,
            "a source of connections, or 'cache' for the cache as a whole",
        ),
        |row| row.source.map_or(CACHE, |source| &source.name).into(),
    ),
    column(
        Column::new("state", Kind::Text, "what it is doing; what follows a semicolon is a warning"),
        |row| row.source.map_or(row.state, |source| &source.state).into(),
    ),
    column(
        Column::new(
            "last_poll",
            Kind::BigInt,
            "when it was last read, unix seconds; NULL for the cache",
        ),
        |row| seconds(row.source.map(|source| source.last_poll_ms)),
    ),
    column(
        Column::new(
            "last_event",
            Kind::BigInt,
            "its latest connection, unix seconds; NULL if it has none",
        ),
        |row| seconds(row.last_event_ms()),
    ),
    column(
        Column::new(
            "events_total",
            Kind::BigInt,
            "connections read from it, duplicates included; of the cache: connections held",
        ),
        |row| match row.source {
            Some(source) => source.events_total.into(),
            None => row.totals.map(|totals| totals.connections).into(),
        },
    ),
    column(
        Column::new(
            "events_duplicate",
            Kind::BigInt,
            "of those, ones that the cache had already; NULL for the cache",
        ),
        |row| row.source.map(|source| source.events_duplicate).into(),
    ),
    column(
        Column::new(
            "events_rejected",
            Kind::BigInt,
            "lines or rows that could not be read; NULL for the cache",
        ),
        |row| row.source.map(|source| source.events_rejected).into(),
    ),
    column(
        Column::new(
            "lag_seconds",
            Kind::BigInt,
            "from its latest connection to now, seconds; NULL if it has none",
        ),
        |row| seconds(row.last_event_ms().map(|last_ms| row.now_ms - last_ms)),
    ),
    column(
        Column::new(
            "last_error",
            Kind::Text,
            "its last problem, also once that has gone; '' if none",
        ),
        |row| row.source.map_or(row.last_error, |source| &source.last_error).into(),
    ),
    column(Column::new("cache_path", Kind::Text, "the cache's file; '' for a source"), |row| {
        row.of_cache().map_or(String::new(), |facts| facts.cache.display().to_string()).into()
    }),
    column(
        Column::new(
            "cache_bytes",
            Kind::BigInt,
            "size of the cache on disk, bytes; NULL for a source",
        ),
        |row| row.totals.map(|totals| totals.bytes).into(),
    ),
    column(
        Column::new(
            "cache_first",
            Kind::BigInt,
            "earliest connection in the cache, unix seconds; NULL for a source, or if it is \
             empty",
        ),
        |row| seconds(row.totals.and_then(|totals| totals.first_ms)),
    ),
    column(
        Column::new(
            "cache_last",
            Kind::BigInt,
            "latest connection in the cache, unix seconds; NULL for a source, or if it is empty",
        ),
        |row| seconds(row.totals.and_then(|totals| totals.last_ms)),
    ),
    column(
        Column::new(
            "groups",
            Kind::BigInt,
            "groups of host, pathname, destination, port and protocol in the cache; NULL for a \
             source",
        ),
        |row| row.totals.map(|totals| totals.groups).into(),
    ),
    column(
        Column::new(
            "last_query_ms",
            Kind::BigInt,
            "milliseconds that the last query for candidates or connections took; NULL for a \
             source, and before the first query",
        ),
        |row| row.last_query().map(|last| last.milliseconds).into(),
    ),
    column(
        Column::new(
            "last_query_rows",
            Kind::BigInt,
            "rows that it returned; NULL as last_query_ms",
        ),
        |row| row.last_query().map(|last| last.rows).into(),
    ),
    column(
        Column::new(
            "last_query_blocks",
            Kind::BigInt,
            "blocks of connections that it decoded; NULL as last_query_ms",
        ),
        |row| row.last_query().map(|last| last.cost.blocks).into(),
    ),
    column(
        Column::new(
            "last_query_bytes",
            Kind::BigInt,
            "bytes of blocks and summaries that it read; NULL as last_query_ms",
        ),
        |row| row.last_query().map(|last| last.cost.bytes).into(),
    ),
    column(
        Column::new(
            "rows_cut",
            Kind::BigInt,
            "rows that row_limit kept from it; NULL as last_query_ms",
        ),
        |row| row.last_query().map(|last| last.rows_cut).into(),
    ),
    column(
        Column::new(
            "rows_suppressed",
            Kind::BigInt,
            "rows that suppression rules kept from it; NULL as last_query_ms",
        ),
        |row| row.last_query().map(|last| last.rows_suppressed).into(),
    ),
    column(
        Column::new(
            "evicted_age",
            Kind::BigInt,
            "connections that were removed because they were older than retention.days; NULL for a \
             source",
        ),
        |row| row.evicted(Reason::Age),
    ),
    column(
        Column::new(
            "evicted_size",
            Kind::BigInt,
            "connections that were removed to keep the cache within retention.megabytes; NULL for \
             a source",
        ),
        |row| row.evicted(Reason::Size),
    ),
    column(
        Column::new(
            "evicted_share",
            Kind::BigInt,
            "the same of pathnames and hosts that held more than a quarter of the cache; NULL for \
             a source",
        ),
        |row| row.evicted(Reason::Share),
    ),
    column(
        Column::new(
            "evicted_future",
            Kind::BigInt,
            "connections that were removed because they were dated after now; NULL for a source",
        ),
        |row| row.evicted(Reason::Future),
    ),
    column(Column::new("version", Kind::Text, "version of beacon_candidates"), |_| {
        env!("CARGO_PKG_VERSION").into()
    }),
];

/// All rows.
pub(super) fn generate(
    reader: &Reader,
    facts: &Facts<'_>,
    now_ms: i64,
) -> Result<Answer, TableError> {
    let of_cache = StatusRow {
        source: None,
        facts,
        totals: None,
        evicted: None,
        state: "",
        last_error: "",
        now_ms,
    };
    let mut note = String::new();
    let mut rows: Vec<Row> = Vec::new();
    for source in reader.sources()? {
        if source.name == CACHE {
            note = source.last_error;
            continue;
        }
        rows.push(StatusRow { source: Some(&source), ..of_cache }.row());
    }
    let (state, reason) = facts.cache_use.describe();
    let last_error = if reason.is_empty() { &note } else { &reason };
    let totals = reader.totals()?;
    let evicted = reader.evicted()?;
    let state = match is_full(&evicted, now_ms) {
        true => format!("{state}; full, so that the oldest go before their time"),
        false => state.to_owned(),
    };
    let (totals, evicted) = (Some(&totals), Some(&evicted));
    rows.push(StatusRow { totals, evicted, state: &state, last_error, ..of_cache }.row());
    Ok(Answer { rows, ..Answer::default() })
}

/// Whether connections had to go for the cache's size lately.
fn is_full(evicted: &[Evicted; Reason::ALL.len()], now_ms: i64) -> bool {
    let mut by_reason = Reason::ALL.iter().zip(evicted);
    by_reason.any(|(reason, evicted)| {
        let is_for_size = matches!(reason, Reason::Size | Reason::Share);
        is_for_size && evicted.last_ms.is_some_and(|last| last.abs_diff(now_ms) < WARNS_MS)
    })
}

/// The one row of a cache that cannot be read.
pub(super) fn without_cache(facts: &Facts<'_>, error: &CacheError, now_ms: i64) -> Answer {
    let (_, reason) = facts.cache_use.describe();
    let last_error = match error {
        // That there is none follows from the reason.
        CacheError::Missing { .. } if !reason.is_empty() => reason,
        _ if reason.is_empty() => error.to_string(),
        _ => format!("{reason}; {error}"),
    };
    let row = StatusRow {
        source: None,
        facts,
        totals: None,
        evicted: None,
        state: "unreadable",
        last_error: &last_error,
        now_ms,
    };
    Answer { rows: vec![row.row()], ..Answer::default() }
}
