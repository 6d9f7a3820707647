//! The tables by name: the one list from which hosts declare them and documents are made.

use super::{
    Column, ColumnOptions, Parameter, candidates, connections, parameter, status, suppressions,
};

/// A virtual table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Groups of connections, with their rhythm.
    BeaconCandidates,
    /// The connections of a group.
    BeaconConnections,
    /// Suppression rules.
    BeaconSuppressions,
    /// Sources and cache.
    BeaconStatus,
}

impl Table {
    /// All of them.
    pub const ALL: [Table; 4] = [
        Table::BeaconCandidates,
        Table::BeaconConnections,
        Table::BeaconSuppressions,
        Table::BeaconStatus,
    ];

    /// The table's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Table::BeaconCandidates => "beacon_candidates",
            Table::BeaconConnections => "beacon_connections",
            Table::BeaconSuppressions => "beacon_suppressions",
            Table::BeaconStatus => "beacon_status",
        }
    }

    /// The visible columns, in the order of a [`super::Row`].
    pub fn visible_columns(self) -> &'static [Column] {
        match self {
            Table::BeaconCandidates => &candidates::COLUMNS,
            Table::BeaconConnections => &connections::COLUMNS,
            Table::BeaconSuppressions => &suppressions::COLUMNS,
            Table::BeaconStatus => &status::COLUMNS,
        }
    }

    /// The parameters: hidden columns, after the visible ones.
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Table::BeaconCandidates => &Parameter::ALL,
            Table::BeaconConnections => &parameter::OF_CONNECTIONS,
            Table::BeaconSuppressions | Table::BeaconStatus => &[],
        }
    }

    /// All columns, the hidden ones last.
    pub fn columns(self) -> impl Iterator<Item = Column> {
        let parameters = self.parameters().iter().map(|parameter| Column {
            name: parameter.name(),
            kind: parameter.kind(),
            options: ColumnOptions::Parameter,
            description: parameter.description(),
        });
        self.visible_columns().iter().copied().chain(parameters)
    }
}
