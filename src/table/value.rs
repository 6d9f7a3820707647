//! One value of a row.

/// A value as SQLite has it. A host that speaks text decides there how NULL is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// What cannot be computed or is not known, in a numeric column.
    Null,
    /// BIGINT.
    Integer(i64),
    /// DOUBLE; never NaN nor infinite.
    Double(f64),
    /// TEXT; not known is ''.
    Text(String),
}

impl Value {
    /// A DOUBLE of a measured quantity: rounded to 4 decimals, NULL if it is no number.
    pub fn measure(number: f64) -> Value {
        let rounded = (number * 1e4).round() / 1e4;
        if rounded.is_finite() { Value::Double(rounded) } else { Value::Null }
    }

    /// A measured quantity, or NULL where there is none.
    pub fn from_measure(number: Option<f64>) -> Value {
        number.map_or(Value::Null, Value::measure)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Integer(number)
    }
}

/// A count or sum; what SQLite's integers cannot hold is shown as the largest they can.
impl From<u128> for Value {
    fn from(number: u128) -> Value {
        Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value::from(u128::from(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Value {
        Value::from(number as u128)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// The text that SQLite gives for a REAL: 15 significant digits, and always a point.
pub fn real_as_text(number: f64) -> String {
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    format!("{rounded:?}")
}

#[cfg(test)]
mod tests {
    use super::real_as_text;

    #[test]
    fn reals_read_as_sqlite_writes_them() {
        for (number, text) in [(48.0, "48.0"), (0.1 + 0.2, "0.3"), (-2.5, "-2.5"), (0.0, "0.0")] {
            assert_eq!(real_as_text(number), text);
        }
    }
}
