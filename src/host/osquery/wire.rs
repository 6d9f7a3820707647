//! Queries and rows as osquery writes them: a context in JSON one way, text the other.
//!
//! The context is what `TablePlugin::setRequestFromContext` makes
//! (osquery/core/tables.cpp): `{"constraints":[{"name","list":[{"op","expr"}],"affinity"}],…}`.

use serde_json::Value as Json;
use thrift::protocol::TType;

use super::manager::{Row, length};
use crate::table::{Constraint, Operator, QueryContext, Table, TableError, Tables, Value};

/// The constraints in a request's context. What cannot be understood asks for nothing: SQLite
/// checks the rows again anyway.
pub(super) fn parse_context(context: &str) -> QueryContext {
    let context: Json = serde_json::from_str(context).unwrap_or_default();
    let columns = context["constraints"].as_array().map_or(&[][..], Vec::as_slice);
    // None at all (count(*), or a host that does not tell) is taken for all.
    let columns_used = context["colsUsed"]
        .as_array()
        .filter(|columns| !columns.is_empty())
        .map(|columns| columns.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    let mut parsed = QueryContext { columns_used, ..QueryContext::default() };
    for column in columns {
        let Some(name) = column["name"].as_str() else {
            continue;
        };
        // "list" is "" where there is no constraint.
        for constraint in column["list"].as_array().map_or(&[][..], Vec::as_slice) {
            let operator = match &constraint["op"] {
                Json::String(operator) => operator.parse().ok(),
                operator => operator.as_u64().and_then(|code| u8::try_from(code).ok()),
            }
            .map(Operator);
            let value = match &constraint["expr"] {
                Json::String(value) => value.clone(),
                Json::Null if operator == Some(Operator::IS_NULL) => String::new(),
                Json::Null => continue,
                value => value.to_string(),
            };
            if let Some(operator) = operator {
                let column = name.to_owned().into();
                parsed.constraints.push(Constraint { column, operator, value });
            }
        }
    }
    parsed
}

/// The rows of an answer as they go over the wire: a map of texts each, in Thrift's binary protocol.
#[derive(Debug, Default)]
pub(super) struct WrittenRows {
    /// How many there are.
    pub(super) rows: usize,
    pub(super) bytes: Vec<u8>,
}

/// The rows of `table` for `context`, each with its parameters exactly as given, or SQLite would
/// drop it.
pub(super) fn generate(
    tables: &Tables,
    table: Table,
    context: &QueryContext,
    now_ms: i64,
) -> Result<WrittenRows, TableError> {
    let rows = tables.generate(table, context, now_ms)?;
    let in_force = tables.echo(table, context, now_ms)?;
    let mut written = WrittenRows::default();
    // What is the same in every row is written once, and copied.
    let mut parameters = WrittenRows::default();
    for (parameter, in_force) in table.parameters().iter().zip(&in_force) {
        parameters.write_text(parameter.name());
        match context.given(parameter.name()) {
            Some(given) => parameters.write_text(given),
            None => parameters.write_value(in_force),
        }
    }
    let columns = table.columns().count();
    for row in rows {
        written.begin_row(columns);
        for (column, value) in table.visible_columns().iter().zip(row.iter()) {
            written.write_text(column.name);
            written.write_value(value);
        }
        written.bytes.extend_from_slice(&parameters.bytes);
    }
    written.bytes.shrink_to_fit();
    Ok(written)
}

impl WrittenRows {
    /// Rows of texts.
    pub(super) fn of<'a>(rows: impl IntoIterator<Item = &'a Row>) -> WrittenRows {
        let mut written = WrittenRows::default();
        for row in rows {
            written.begin_row(row.len());
            for (name, value) in row {
                written.write_text(name);
                written.write_text(value);
            }
        }
        written
    }

    /// A map of texts begins with two types and its size.
    fn begin_row(&mut self, columns: usize) {
        self.rows += 1;
        self.bytes.extend([TType::String as u8; 2]);
        self.bytes.extend(length(columns).to_be_bytes());
    }

    /// A text is its length and its bytes.
    fn write_text(&mut self, text: &str) {
        self.bytes.extend(length(text.len()).to_be_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn write_value(&mut self, value: &Value) {
        match value {
            Value::Text(text) => self.write_text(text),
            other => self.write_text(&text(other)),
        }
    }
}

/// NULL is '' on the wire. A DOUBLE has at most 4 decimals and no exponent, which osquery does not
/// read.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Double(number) => {
            let digits = format!("{number:.4}");
            let short = digits.trim_end_matches('0');
            if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_read_as_osquery_and_its_older_versions_write_them() {
        let context = parse_context(
            r#"{"constraints":[
                {"name":"hours","list":[{"op":2,"expr":"48"}],"affinity":"DOUBLE"},
                {"name":"tuple","list":[{"op":"65","expr":"%443"}],"affinity":"TEXT"},
                {"name":"pathname","list":[{"op":73,"expr":"5"},{"op":70}],"affinity":"TEXT"},
                {"name":"host","list":"","affinity":"TEXT"}],
               "colsUsed":["hours"],"colsUsedBitset":18446744073709551615}"#,
        );
        let constraints: Vec<_> = context
            .constraints
            .iter()
            .map(|each| (&*each.column, each.operator.0, each.value.as_str()))
            .collect();
        assert_eq!(constraints, [("hours", 2, "48"), ("tuple", 65, "%443"), ("pathname", 73, "5")]);
        assert!(context.uses("hours") && !context.uses("tuple"));
        for nothing in ["", "{}", "[]", "{\"constraints\":\"\"}", "{\"constraints\":[{}]}"] {
            assert_eq!(parse_context(nothing), QueryContext::default(), "{nothing}");
        }
    }

    #[test]
    fn doubles_have_no_exponent_and_at_most_four_decimals() {
        for (number, expected) in
            [(60.0, "60.0"), (0.1234, "0.1234"), (1e-9, "0.0"), (2.5e15, "2500000000000000.0")]
        {
            assert_eq!(text(&Value::Double(number)), expected);
        }
        assert_eq!(text(&Value::Null), "");
    }
}
