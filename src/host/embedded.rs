//! An SQLite that serves the tables the way osquery does: what works here works there.
//!
//! It passes on exactly the constraints that osquery would for the same column options
//! (`xBestIndex` and `xFilter` in osquery/sql/virtual_table.cpp): usable comparisons on narrowing
//! columns and parameters, except <, > and their like on TEXT, and except those with NULL or '', of
//! which IS NULL is one that asks for it;
//! LIMIT and OFFSET as they leak through. SQLite checks every constraint again on the rows.

// The one place for `unsafe impl`: rusqlite's virtual table traits are unsafe to implement.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::sync::Arc;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConnection, VTabCursor,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

use crate::table::{
    Column, ColumnOptions, Constraint, Kind, Operator, QueryContext, Row, Table, Tables, Value,
    real_as_text,
};

/// osquery's `kMaxIndexCost`, for a scan without constraints.
const FULL_SCAN_COST: f64 = 1_000_000.0;

/// An SQLite database with the tables of `tables`, for a query that is run at `now_ms` (unix
/// milliseconds).
pub fn open(tables: &Arc<Tables>, now_ms: i64) -> Result<Connection> {
    const MODULE: Module<'static, ServedTable> = Module::eponymous_only_module();
    let connection = Connection::open_in_memory()?;
    // A query asks; it does not make files.
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    for table in Table::ALL {
        let served = Served { tables: Arc::clone(tables), table, now_ms };
        connection.create_module(table.name(), &MODULE, Some(served))?;
    }
    Ok(connection)
}

/// Which table a module serves.
#[derive(Clone)]
struct Served {
    tables: Arc<Tables>,
    table: Table,
    now_ms: i64,
}

#[repr(C)]
struct ServedTable {
    /// Must be first.
    base: sqlite3_vtab,
    served: Served,
    columns: Vec<Column>,
}

// SAFETY: the struct is repr(C) and begins with the sqlite3_vtab that SQLite works on.
unsafe impl<'vtab> VTab<'vtab> for ServedTable {
    type Aux = Served;
    type Cursor = ServedCursor<'vtab>;

    fn connect(
        _connection: &mut VTabConnection,
        served: Option<&Served>,
        _module: &[u8],
        _database: &[u8],
        _table: &[u8],
        _arguments: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let served = served.ok_or_else(|| Error::ModuleError("the module has no tables".into()))?;
        let columns: Vec<_> = served.table.columns().collect();
        let declared: Vec<_> = columns.iter().map(declaration).collect();
        let sql = format!("CREATE TABLE x ({})", declared.join(", "));
        let sql =
            std::ffi::CString::new(sql).map_err(|error| Error::ModuleError(error.to_string()))?;
        let table = ServedTable { base: sqlite3_vtab::default(), served: served.clone(), columns };
        Ok((Cow::Owned(sql), table))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let mut cost = FULL_SCAN_COST;
        let mut passed_on = Vec::new();
        for (constraint, mut usage) in info.constraints_and_usages() {
            let column = usize::try_from(constraint.column()).ok();
            let Some((index, column)) = column.and_then(|at| Some((at, self.columns.get(at)?)))
            else {
                continue;
            };
            if !constraint.is_usable() {
                continue;
            }
            let operator = code_of(constraint.operator());
            if column.kind == Kind::Text && is_range(operator) {
                cost += 10.0;
            } else if column.options != ColumnOptions::Plain {
                cost = 1.0;
                passed_on.push(format!("{index}:{}", operator.0));
                usage.set_argv_index(passed_on.len() as c_int);
            }
        }
        // Which columns are used comes first, as a bit each; the last stands for all from it on.
        passed_on.insert(0, info.col_used().to_string());
        info.set_idx_str(&passed_on.join(","));
        info.set_estimated_cost(cost);
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<ServedCursor<'vtab>> {
        Ok(ServedCursor {
            base: sqlite3_vtab_cursor::default(),
            served: self.served.clone(),
            columns: self.columns.clone(),
            rows: Vec::new(),
            echo: Vec::new(),
            next: 0,
            table: PhantomData,
        })
    }
}

#[repr(C)]
struct ServedCursor<'vtab> {
    /// Must be first.
    base: sqlite3_vtab_cursor,
    served: Served,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// The values of the parameters, the same in every row.
    echo: Vec<Value>,
    next: usize,
    table: PhantomData<&'vtab ServedTable>,
}

// SAFETY: the struct is repr(C) and begins with the sqlite3_vtab_cursor that SQLite works on.
unsafe impl VTabCursor for ServedCursor<'_> {
    fn filter(
        &mut self,
        _index_number: c_int,
        passed_on: Option<&str>,
        values: &Filters<'_>,
    ) -> Result<()> {
        let mut passed_on = passed_on.unwrap_or_default().split(',');
        let columns_used = passed_on.next().and_then(|used| used.parse().ok());
        let columns_used = columns_used.map(|used: u64| {
            let is_used = |at: usize| used >> at.min(63) & 1 == 1;
            let columns = self.columns.iter().enumerate().filter(|(at, _)| is_used(*at));
            columns.map(|(_, column)| column.name.to_owned()).collect()
        });
        let mut context = QueryContext { columns_used, ..QueryContext::default() };
        for (constraint, value) in passed_on.zip(values.iter()) {
            let column_and_operator = constraint.split_once(':');
            let Some((Ok(column), Ok(operator))) =
                column_and_operator.map(|(column, operator)| (column.parse(), operator.parse()))
            else {
                continue;
            };
            let operator = Operator(operator);
            let value = match operator {
                Operator::IS_NULL => Some(String::new()),
                _ => text_of(value),
            };
            let (Some(column), Some(value)) = (self.columns.get::<usize>(column), value) else {
                continue;
            };
            context.constraints.push(Constraint { column: column.name.into(), operator, value });
        }
        let Served { tables, table, now_ms } = &self.served;
        let failed = |error: crate::table::TableError| Error::ModuleError(error.to_string());
        self.rows = tables.generate(*table, &context, *now_ms).map_err(failed)?;
        self.echo = tables.echo(*table, &context, *now_ms).map_err(failed)?;
        self.next = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.next += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.next >= self.rows.len()
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let value = self.rows.get(self.next).zip(usize::try_from(column).ok());
        let value = value.and_then(|(row, column)| {
            row.get(column).or_else(|| self.echo.get(column.checked_sub(row.columns())?))
        });
        match value {
            None | Some(Value::Null) => context.set_result(rusqlite::types::Null),
            Some(Value::Integer(number)) => context.set_result(number),
            Some(Value::Double(number)) => context.set_result(number),
            Some(Value::Text(text)) => context.set_result(text),
        }
    }

    fn rowid(&self) -> Result<i64> {
        i64::try_from(self.next).map_err(|error| Error::ModuleError(error.to_string()))
    }
}

fn declaration(column: &Column) -> String {
    let hidden = if column.options == ColumnOptions::Parameter { " HIDDEN" } else { "" };
    format!("{} {}{hidden}", column.name, column.kind.as_sql())
}

/// osquery does not think these sensible on TEXT, and leaves them to SQLite.
fn is_range(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::GREATER | Operator::GREATER_OR_EQUAL | Operator::LESS | Operator::LESS_OR_EQUAL
    )
}

/// What `sqlite3_value_text` gives; `None` for NULL and '', which osquery does not pass on.
fn text_of(value: ValueRef<'_>) -> Option<String> {
    let text = match value {
        ValueRef::Null => return None,
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => real_as_text(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    };
    (!text.is_empty()).then_some(text)
}

fn code_of(operator: IndexConstraintOp) -> Operator {
    use IndexConstraintOp as Op;
    Operator(match operator {
        Op::SQLITE_INDEX_CONSTRAINT_EQ => 2,
        Op::SQLITE_INDEX_CONSTRAINT_GT => 4,
        Op::SQLITE_INDEX_CONSTRAINT_LE => 8,
        Op::SQLITE_INDEX_CONSTRAINT_LT => 16,
        Op::SQLITE_INDEX_CONSTRAINT_GE => 32,
        Op::SQLITE_INDEX_CONSTRAINT_MATCH => 64,
        Op::SQLITE_INDEX_CONSTRAINT_LIKE => 65,
        Op::SQLITE_INDEX_CONSTRAINT_GLOB => 66,
        Op::SQLITE_INDEX_CONSTRAINT_REGEXP => 67,
        Op::SQLITE_INDEX_CONSTRAINT_NE => 68,
        Op::SQLITE_INDEX_CONSTRAINT_ISNOT => 69,
        Op::SQLITE_INDEX_CONSTRAINT_ISNOTNULL => 70,
        Op::SQLITE_INDEX_CONSTRAINT_ISNULL => 71,
        Op::SQLITE_INDEX_CONSTRAINT_IS => 72,
        Op::SQLITE_INDEX_CONSTRAINT_LIMIT => 73,
        Op::SQLITE_INDEX_CONSTRAINT_OFFSET => 74,
        Op::SQLITE_INDEX_CONSTRAINT_FUNCTION(code) => code,
    })
}
