//! What the documentation says of columns and parameters is what the code has.

use std::path::Path;

use beacon_candidates::host::config::Config;
use beacon_candidates::suppression::Rules;
use beacon_candidates::table::{ColumnOptions, Table};

const TABLE_REFERENCE: &str = include_str!("../docs/table-reference.md");

/// The line of a column in the reference.
fn line(column: &beacon_candidates::table::Column) -> String {
    let role = match column.options {
        ColumnOptions::Narrowing => "narrows",
        ColumnOptions::Plain => "",
        ColumnOptions::Parameter => "parameter",
    };
    format!("| `{}` | {} | {role} | {} |", column.name, column.kind.as_sql(), column.description)
}

#[test]
fn the_table_reference_has_every_column_in_order() {
    for table in Table::ALL {
        let heading = format!("\n## {}\n", table.name());
        let section = TABLE_REFERENCE.split(&heading).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let documented: Vec<_> =
            section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
        let columns: Vec<_> = table.columns().map(|column| line(&column)).collect();
        assert_eq!(documented, columns, "{}", table.name());
    }
}

#[test]
fn the_examples_in_the_packages_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/etc");
    let config = Config::read(&folder.join("beacon_candidates.toml.example")).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    Rules::with_file(&folder.join("beacon_candidates_suppressions.toml.example")).unwrap();
}
