//! The tables as plugins of osquery's, over osquery-rust-ng's table role.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use osquery_rust_ng::plugin::{ColumnDef, ColumnOptions, ColumnType, Plugin, ReadOnlyTable};
use osquery_rust_ng::{ExtensionPluginRequest, ExtensionResponse, ExtensionStatus};

use super::answers::Answers;
use super::wire::{self, TextRow};
use crate::table::{Kind, QueryContext, Table, TableError, Tables};

/// A request with this key asks who we are (see [`super::supervisor`]).
pub(super) const IDENTITY: &str = "beacon_candidates_identity";

/// The tables, as all plugins share them.
pub(super) struct Extension {
    tables: Tables,
    answers: Answers<(Table, QueryContext), Vec<TextRow>>,
    /// Tells this process from any other that answers on a socket.
    identity: String,
}

impl Extension {
    pub(super) fn new(tables: Tables, answers_kept_for: Duration, identity: String) -> Self {
        Extension { tables, answers: Answers::new(answers_kept_for), identity }
    }

    /// A plugin for each table.
    pub(super) fn plugins(self: &Arc<Self>) -> Vec<Plugin> {
        let plugin =
            |table| Plugin::readonly_table(ServedTable { table, extension: Arc::clone(self) });
        Table::ALL.into_iter().map(plugin).collect()
    }

    fn generate(&self, table: Table, context: QueryContext) -> Result<Vec<TextRow>, String> {
        let asked = Instant::now();
        let compute = || {
            let now_ms = jiff::Timestamp::now().as_millisecond();
            let rows = wire::generate(&self.tables, table, &context, now_ms);
            rows.map_err(|error: TableError| error.to_string())
        };
        // What it tells is of this moment.
        if table == Table::BeaconStatus {
            return compute();
        }
        let answer = self.answers.get(&(table, context.clone()), compute);
        let rows = answer.map(|rows| rows.as_ref().clone())?;
        log::debug!("{}: {} rows in {:?}", table.name(), rows.len(), asked.elapsed());
        Ok(rows)
    }
}

/// One table.
struct ServedTable {
    table: Table,
    extension: Arc<Extension>,
}

impl ReadOnlyTable for ServedTable {
    fn name(&self) -> String {
        self.table.name().to_owned()
    }

    fn columns(&self) -> Vec<ColumnDef> {
        let definition = |column: crate::table::Column| {
            let kind = match column.kind {
                Kind::Text => ColumnType::Text,
                Kind::BigInt => ColumnType::BigInt,
                Kind::Double => ColumnType::Double,
            };
            let options = ColumnOptions::from_bits_retain(column.options.code().into());
            ColumnDef::new(column.name, kind, options)
        };
        self.table.columns().map(definition).collect()
    }

    fn generate(&self, request: ExtensionPluginRequest) -> ExtensionResponse {
        if request.contains_key(IDENTITY) {
            let identity = (IDENTITY.to_owned(), self.extension.identity.clone());
            return success(vec![BTreeMap::from([identity])]);
        }
        let context = request.get("context").map_or("", String::as_str);
        match self.extension.generate(self.table, wire::parse_context(context)) {
            Ok(rows) => success(rows),
            Err(message) => {
                log::warn!("{}: {message}", self.table.name());
                failure(message)
            }
        }
    }

    fn shutdown(&self) {}
}

fn success(rows: Vec<TextRow>) -> ExtensionResponse {
    ExtensionResponse::new(ExtensionStatus::new(0, "OK".to_owned(), None), rows)
}

/// osquery-rust-ng's own failure has no message, which osquery shows as the SQL error.
fn failure(message: String) -> ExtensionResponse {
    ExtensionResponse::new(ExtensionStatus::new(1, message, None), Vec::new())
}
