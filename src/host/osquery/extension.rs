//! The tables as plugins of osquery's: what a call of one means.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answers::Answers;
use super::manager::Row;
use super::server::Plugins;
use super::wire::{self, WrittenRows};
use crate::table::{QueryContext, Table, Tables};

/// A request with this key asks who we are (see [`super::supervisor`]).
pub(super) const IDENTITY: &str = "beacon_candidates_identity";

/// The tables, as all connections share them.
pub(super) struct Extension {
    tables: Tables,
    answers: Answers<(Table, QueryContext), WrittenRows>,
    /// Tells this process from any other that answers on a socket.
    identity: String,
}

impl Extension {
    /// Serves `tables`, and gives an answer again for `answers_kept_for`; answers of more than
    /// `kept_bytes` in all are not kept, and a query waits for its turn for `patience`.
    pub(super) fn new(
        tables: Tables,
        answers_kept_for: Duration,
        kept_bytes: usize,
        patience: Duration,
        identity: String,
    ) -> Self {
        let size = |answer: &WrittenRows| answer.bytes.len();
        let answers = Answers::new(answers_kept_for, patience).of_at_most(kept_bytes, size);
        Extension { tables, answers, identity }
    }

    /// Forgets answers that are too old to be given again.
    pub(super) fn forget_old_answers(&self) {
        self.answers.forget_old();
    }

    fn generate(&self, table: Table, context: QueryContext) -> Result<Arc<WrittenRows>, String> {
        let asked = Instant::now();
        let compute = || {
            let now_ms = jiff::Timestamp::now().as_millisecond();
            wire::generate(&self.tables, table, &context, now_ms).map_err(|error| error.to_string())
        };
        // What it tells is of this moment.
        if table == Table::BeaconStatus {
            return compute().map(Arc::new);
        }
        let rows = self.answers.get(&(table, context.clone()), compute)?;
        log::debug!("{}: {} rows in {:?}", table.name(), rows.rows, asked.elapsed());
        Ok(rows)
    }
}

impl Plugins for Extension {
    fn call(&self, registry: &str, item: &str, request: &Row) -> Result<Arc<WrittenRows>, String> {
        let table = Table::ALL.into_iter().find(|table| table.name() == item);
        let Some(table) = table.filter(|_| registry == "table") else {
            return Err(format!("there is no {registry} '{item}' here"));
        };
        if request.contains_key(IDENTITY) {
            let row = Row::from([(IDENTITY.to_owned(), self.identity.clone())]);
            return Ok(Arc::new(WrittenRows::of([&row])));
        }
        match request.get("action").map(String::as_str) {
            Some("generate") => {}
            Some("columns") => return Ok(Arc::new(WrittenRows::of(&columns(table)))),
            action => return Err(format!("{item} has no {}", action.unwrap_or("request"))),
        }
        let context = request.get("context").map_or("", String::as_str);
        self.generate(table, wire::parse_context(context)).inspect_err(|message| {
            match message.starts_with(item) {
                true => log::warn!("{message}"),
                false => log::warn!("{item}: {message}"),
            }
        })
    }
}

/// A table's columns, as osquery describes them.
pub(super) fn columns(table: Table) -> Vec<Row> {
    let column = |column: crate::table::Column| {
        let pairs = [
            ("id", "column"),
            ("name", column.name),
            ("type", column.kind.as_sql()),
            ("op", &column.options.code().to_string()),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    table.columns().map(column).collect()
}
