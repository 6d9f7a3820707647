//! Columns and parameters as Markdown tables, in their places in a hand-written document.

use crate::table::{Column, ColumnOptions, Parameter, Table};

/// The line after a generated part.
const END: &str = "<!-- end -->\n";

/// `document` with every table's columns and parameters in their places: what stands there, between
/// two comments, is replaced. The error is the comment that is missing.
pub(super) fn fill(document: &str) -> Result<String, String> {
    let mut document = document.to_owned();
    for table in Table::ALL {
        document = replace(&document, "columns", table, &columns(table.visible_columns()))?;
        if !table.parameters().is_empty() {
            document = replace(&document, "parameters", table, &parameters(table.parameters()))?;
        }
    }
    Ok(document)
}

fn replace(document: &str, part: &str, table: Table, lines: &str) -> Result<String, String> {
    let begin = format!("<!-- {part} of {} -->\n", table.name());
    let missing = |marker: &str| marker.trim_end().to_owned();
    let (before, rest) = document.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{begin}\n{lines}\n{END}{after}"))
}

fn columns(columns: &[Column]) -> String {
    let row = |column: &Column| {
        let narrows = if column.options == ColumnOptions::Narrowing { "narrows" } else { "" };
        let Column { name, kind, description, .. } = column;
        format!("| `{name}` | {} | {narrows} | {} |\n", kind.as_sql(), cell(description))
    };
    let rows: String = columns.iter().map(row).collect();
    format!("| column | type | | meaning |\n|---|---|---|---|\n{rows}")
}

fn parameters(parameters: &[Parameter]) -> String {
    let row = |parameter: &Parameter| {
        let (name, kind) = (parameter.name(), parameter.kind().as_sql());
        let texts = [parameter.expected(), &parameter.default_value(), parameter.description()];
        let [takes, default, description] = texts.map(cell);
        format!("| `{name}` | {kind} | {takes} | {default} | {description} |\n")
    };
    let rows: String = parameters.iter().map(row).collect();
    format!("| parameter | type | takes | default | meaning |\n|---|---|---|---|---|\n{rows}")
}

/// A text that no table is torn by.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_missing_is_named() {
        assert_eq!(fill("").unwrap_err(), "<!-- columns of beacon_candidates -->");
        let open = fill("<!-- columns of beacon_candidates -->\n| a |\n").unwrap_err();
        assert_eq!(open, "<!-- end -->");
    }
}
