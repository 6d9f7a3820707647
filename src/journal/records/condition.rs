//! Which records count: a field, and the values that it may have.

use serde::Deserialize;

use super::paths::{Paths, Slot, Values};

/// A condition as a table writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCondition {
    field: OneOrMany,
    is: Option<Vec<String>>,
    is_not: Option<Vec<String>>,
    #[serde(default)]
    otherwise: String,
}

/// One name, or several of which the first that is there counts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a name or a list of names is expected here")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn names(&self) -> &[String] {
        match self {
            OneOrMany::One(name) => std::slice::from_ref(name),
            OneOrMany::Many(names) => names,
        }
    }
}

/// A condition on a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Condition {
    fields: Vec<Slot>,
    test: Test,
    /// Why a record that does not meet it is skipped.
    pub(super) otherwise: String,
}

/// Values are compared whatever their case; '' stands for a field that is empty or not there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Test {
    Is(Vec<String>),
    IsNot(Vec<String>),
}

impl WrittenCondition {
    pub(super) fn check(self, paths: &mut Paths) -> Result<Condition, String> {
        let name = self.field.names().first().cloned().unwrap_or_default();
        let test = match (self.is, self.is_not) {
            (Some(values), None) => Test::Is(values),
            (None, Some(values)) => Test::IsNot(values),
            _ => return Err(format!("the condition on '{name}' needs either is or is_not")),
        };
        let otherwise =
            if self.otherwise.is_empty() { "not a connection".to_owned() } else { self.otherwise };
        let fields = self.field.names().iter().map(|path| paths.slot(path)).collect();
        Ok(Condition { fields, test, otherwise })
    }
}

impl Condition {
    /// Whether a record meets it. Of a field with several values, one is enough.
    pub(super) fn holds(&self, values: &Values<'_>) -> bool {
        let slot = self.fields.iter().find(|slot| values.of(**slot).next().is_some());
        let is_among = |allowed: &[String]| match slot {
            Some(slot) => values.of(*slot).any(|value| {
                let text = value.text();
                allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(text.trim()))
            }),
            None => allowed.iter().any(String::is_empty),
        };
        match &self.test {
            Test::Is(allowed) => is_among(allowed),
            Test::IsNot(refused) => !is_among(refused),
        }
    }
}
