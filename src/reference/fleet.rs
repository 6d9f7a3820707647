//! A table in the format of Fleet's schema overrides (`schema/tables/*.yml` in its repository):
//! name, description, platforms, evented, notes, examples, and columns with their name, description,
//! type and whether a query has to give them.

use crate::table::{ColumnOptions, Kind, Parameter, Table};

/// The YAML of `table`.
pub(super) fn schema(table: Table) -> String {
    let mut yaml = format!(
        "# Generated from the code: cargo run -- reference\n\
         name: {name}\n\
         description: {description}\n\
         platforms:\n  - darwin\n  - linux\n\
         evented: false\n\
         notes: {notes}\n\
         examples: |-\n  ```\n  {example}\n  ```\n\
         columns:\n",
        name = table.name(),
        description = quoted(description(table)),
        notes = quoted(&notes(table)),
        example = example(table),
    );
    for column in table.visible_columns() {
        yaml += &entry(column.name, column.description, column.kind, column.options);
    }
    for parameter in table.parameters() {
        let description = format!(
            "{}: {}; default {}",
            parameter.description(),
            parameter.expected(),
            parameter.default_value()
        );
        yaml += &entry(parameter.name(), &description, parameter.kind(), ColumnOptions::Parameter);
    }
    yaml
}

fn description(table: Table) -> &'static str {
    match table {
        Table::BeaconCandidates => {
            "Which process talks to which address on a rhythm? One row a group of connections that a \
             detector named."
        }
        Table::BeaconConnections => {
            "The connections behind a row of beacon_candidates, in time order. It needs = or LIKE on \
             tuple, destination, pathname or sophosPID."
        }
        Table::BeaconSuppressions => {
            "The rules that hide known-benign timers from beacon_candidates."
        }
        Table::BeaconStatus => {
            "One row a source that connections came from, and one for the cache: whether this host \
             sees connections at all."
        }
    }
}

fn notes(table: Table) -> String {
    let mut notes =
        "Not a core osquery table: it needs the extension beacon_candidates.".to_owned();
    if !table.parameters().is_empty() {
        let names: Vec<_> = table.parameters().iter().copied().map(Parameter::name).collect();
        notes += " Parameters are hidden columns, given with = in the WHERE: ";
        notes += &names.join(", ");
        notes.push('.');
    }
    notes
}

fn example(table: Table) -> &'static str {
    match table {
        Table::BeaconCandidates => {
            "SELECT beacon_score, period, jitter, pathname, tuple FROM beacon_candidates WHERE \
             hours = 24;"
        }
        Table::BeaconConnections => {
            "SELECT time, interval, bytes_sent FROM beacon_connections WHERE \
             tuple = '198.51.100.23::443' AND hours = 24;"
        }
        Table::BeaconSuppressions => {
            "SELECT name, class, reason, enabled FROM beacon_suppressions;"
        }
        Table::BeaconStatus => {
            "SELECT source, state, last_poll, last_event, last_error FROM beacon_status;"
        }
    }
}

fn entry(name: &str, description: &str, kind: Kind, options: ColumnOptions) -> String {
    let hidden = if options == ColumnOptions::Parameter { "    hidden: true\n" } else { "" };
    format!(
        "  - name: {name}\n    description: {}\n    type: {}\n    required: false\n{hidden}",
        quoted(description),
        kind.as_sql().to_lowercase(),
    )
}

/// A text as YAML: JSON's strings are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
