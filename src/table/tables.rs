//! The tables over one cache, and what the last query cost.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::parameters::{self, Parameters};
use super::room::Room;
use super::{
    CacheUse, Parameter, QueryContext, Row, Table, TableError, Value, candidates, connections,
    status, suppressions,
};
use crate::cache::{Cost, Pace, ReadAhead, Reader};
use crate::suppression::Rules;

/// An answer may be so large in bytes, unless told otherwise: more than a million connections.
const LARGEST_ANSWER: usize = 1 << 30;

/// The tables over one cache. The file is opened for each query: the writer may have moved a
/// damaged one aside since.
pub struct Tables {
    cache: PathBuf,
    cache_use: Arc<CacheUse>,
    rules: Rules,
    budget: Option<Duration>,
    pace: Option<Arc<Pace>>,
    answer_bytes: usize,
    /// Opened already, for the first query.
    reader: Mutex<Option<Reader>>,
    ahead: ReadAhead,
    last_query: Mutex<Option<LastQuery>>,
}

/// The rows of a table, and what was kept back.
#[derive(Debug, Default)]
pub struct Answer {
    /// The values of its visible columns.
    pub rows: Vec<Row>,
    /// How many more rows row_limit cut.
    pub rows_cut: u64,
    /// And how many suppression rules hid.
    pub rows_suppressed: u64,
    /// Of candidates: how many groups the constraints let pass before any detector was asked,
    /// process instances taken together.
    pub groups_seen: u64,
    /// Whether there is no connection in the window at all.
    pub window_is_empty: bool,
}

/// What the last query for candidates or connections cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastQuery {
    pub(super) milliseconds: u64,
    pub(super) rows: u64,
    pub(super) rows_cut: u64,
    pub(super) rows_suppressed: u64,
    pub(super) cost: Cost,
    /// Its own window, and those of all before it.
    windows_were_empty: bool,
}

/// What `beacon_status` tells that is not in the cache.
pub(super) struct Facts<'a> {
    pub(super) cache: &'a Path,
    pub(super) cache_use: &'a CacheUse,
    pub(super) last_query: Option<LastQuery>,
}

impl Tables {
    /// The tables over the cache at `cache`, without suppression.
    pub fn new(cache: PathBuf) -> Tables {
        Tables {
            cache,
            cache_use: Arc::default(),
            rules: Rules::none(),
            budget: None,
            pace: None,
            answer_bytes: LARGEST_ANSWER,
            reader: Mutex::default(),
            ahead: ReadAhead::default(),
            last_query: Mutex::default(),
        }
    }

    /// The same with these suppression rules.
    pub fn with_rules(self, rules: Rules) -> Tables {
        Tables { rules, ..self }
    }

    /// The same, with an error for a query that takes longer.
    pub fn with_budget(self, budget: Duration) -> Tables {
        Tables { budget: Some(budget), ..self }
    }

    /// The same, taking no more of the processors than `pace` allows.
    pub fn with_pace(self, pace: Pace) -> Tables {
        Tables { pace: Some(Arc::new(pace)), ..self }
    }

    /// The same, with an error for an answer of more than so many bytes, as text with the columns'
    /// names in every row.
    pub fn with_answer_bytes(self, answer_bytes: usize) -> Tables {
        Tables { answer_bytes, ..self }
    }

    /// The same, with a reader of the cache for the first query to use.
    pub fn with_reader(self, reader: Reader) -> Tables {
        Tables { reader: Mutex::new(Some(reader)), ..self }
    }

    /// The same, of a process that may fill the cache.
    pub fn with_use(self, cache_use: Arc<CacheUse>) -> Tables {
        Tables { cache_use, ..self }
    }

    /// Whether there were queries, and no window of theirs held a connection.
    pub fn windows_were_empty(&self) -> bool {
        locked(&self.last_query).is_some_and(|last| last.windows_were_empty)
    }

    /// The rows of `table` for `context`: the values of its visible columns. The window of a
    /// query that names no end ends at `now_ms`, unix milliseconds.
    pub fn generate(
        &self,
        table: Table,
        context: &QueryContext,
        now_ms: i64,
    ) -> Result<Vec<Row>, TableError> {
        let answer = self.answer(table, context, now_ms)?;
        if answer.rows_cut > 0 {
            // Who gives a limit knows that it cuts.
            let asked_for = context.given(Parameter::RowLimit.name()).is_some();
            let level = if asked_for { log::Level::Debug } else { log::Level::Warn };
            log::log!(
                level,
                "{}: {} rows returned and {} more cut by row_limit",
                table.name(),
                answer.rows.len(),
                answer.rows_cut,
            );
        }
        Ok(answer.rows)
    }

    /// The same with what was kept back, which is not logged: the caller tells.
    pub fn answer(
        &self,
        table: Table,
        context: &QueryContext,
        now_ms: i64,
    ) -> Result<Answer, TableError> {
        let started = Instant::now();
        let last_query = *locked(&self.last_query);
        let mut cost = Cost::default();
        let room = Room::of(self.answer_bytes, table);
        let answer = match table {
            Table::BeaconCandidates => self.read(&mut cost, |reader| {
                self.ahead.begin(reader.path());
                candidates::generate(reader, &self.rules, context, room, now_ms)
            })?,
            Table::BeaconConnections => {
                self.read(&mut cost, |reader| connections::generate(reader, context, room, now_ms))?
            }
            Table::BeaconSuppressions => suppressions::generate(&self.rules),
            Table::BeaconStatus => {
                let facts = Facts { cache: &self.cache, cache_use: &self.cache_use, last_query };
                let generate = |reader: &Reader| status::generate(reader, &facts, now_ms);
                match self.read(&mut cost, generate) {
                    // What is wrong with the cache is what this table is for.
                    Err(TableError::Cache(error)) => status::without_cache(&facts, &error, now_ms),
                    answer => answer?,
                }
            }
        };
        room.check(&answer.rows)?;
        if matches!(table, Table::BeaconCandidates | Table::BeaconConnections) {
            *locked(&self.last_query) = Some(LastQuery {
                milliseconds: started.elapsed().as_millis() as u64,
                rows: answer.rows.len() as u64,
                rows_cut: answer.rows_cut,
                rows_suppressed: answer.rows_suppressed,
                cost,
                windows_were_empty: answer.window_is_empty
                    && last_query.is_none_or(|last| last.windows_were_empty),
            });
        }
        Ok(answer)
    }

    /// What `generate` makes of one state of the cache, and what that costs.
    fn read(
        &self,
        cost: &mut Cost,
        generate: impl FnOnce(&Reader) -> Result<Answer, TableError>,
    ) -> Result<Answer, TableError> {
        let opened = locked(&self.reader).take();
        let reader = opened.map_or_else(|| Reader::open(&self.cache), Ok)?;
        let reader = match self.budget {
            Some(budget) => reader.with_budget(budget),
            None => reader,
        };
        let reader = match &self.pace {
            Some(pace) => reader.with_pace(Arc::clone(pace)),
            None => reader,
        };
        let answer = reader.snapshot(generate);
        *cost = reader.cost();
        answer.map_err(|error| match error {
            TableError::Cache(error) => TableError::Cache(error.at(&self.cache)),
            error => error,
        })
    }

    /// The values of `table`'s parameters, which every row of the answer to `context` ends with.
    pub fn echo(
        &self,
        table: Table,
        context: &QueryContext,
        now_ms: i64,
    ) -> Result<Vec<Value>, TableError> {
        let checked = Parameters::read(context, now_ms)?;
        let echo = |parameter: &Parameter| parameters::echo(*parameter, context, &checked);
        Ok(table.parameters().iter().map(echo).collect())
    }
}

/// A query that panicked leaves nothing half-done behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
