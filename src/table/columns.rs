//! Every table's name and columns: the one list from which hosts declare them and docs are checked.

use super::parameters::Parameter;

/// SQLite's type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TEXT.
    Text,
    /// BIGINT.
    BigInt,
    /// DOUBLE.
    Double,
}

impl Kind {
    /// The type in SQL.
    pub fn as_sql(self) -> &'static str {
        match self {
            Kind::Text => "TEXT",
            Kind::BigInt => "BIGINT",
            Kind::Double => "DOUBLE",
        }
    }
}

/// osquery's `ColumnOptions`, which decide what constraints reach a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnOptions {
    /// ADDITIONAL: constraints reach us.
    Narrowing,
    /// OPTIMIZED: none does, so that a JOIN on the column makes one call and not one a row.
    Plain,
    /// HIDDEN and ADDITIONAL: a parameter.
    Parameter,
}

impl ColumnOptions {
    /// The number that osquery knows it by.
    pub fn code(self) -> u8 {
        match self {
            ColumnOptions::Narrowing => 4,
            ColumnOptions::Plain => 8,
            ColumnOptions::Parameter => 20,
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What reaches the table of constraints on it.
    pub options: ColumnOptions,
    /// What it holds, in a line.
    pub description: &'static str,
}

const fn narrowing(name: &'static str, kind: Kind, description: &'static str) -> Column {
    Column { name, kind, options: ColumnOptions::Narrowing, description }
}

const fn plain(name: &'static str, kind: Kind, description: &'static str) -> Column {
    Column { name, kind, options: ColumnOptions::Plain, description }
}

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
            Table::BeaconCandidates => CANDIDATES,
            Table::BeaconConnections => CONNECTIONS,
            Table::BeaconSuppressions => SUPPRESSIONS,
            Table::BeaconStatus => STATUS,
        }
    }

    /// The parameters: hidden columns, after the visible ones.
    pub fn parameters(self) -> &'static [Parameter] {
        match self {
            Table::BeaconCandidates => &Parameter::ALL,
            Table::BeaconConnections => &[
                Parameter::Hours,
                Parameter::Since,
                Parameter::Until,
                Parameter::IncludeLoopback,
                Parameter::RowLimit,
            ],
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

const CANDIDATES: &[Column] = &[
    narrowing("pathname", Kind::Text, "image path of the process of the group's latest connection"),
    narrowing("sophosPID", Kind::Text, "that process instance, pid:filetime"),
    plain("pid", Kind::BigInt, "its pid"),
    plain("cmdline", Kind::Text, "its command line, where the journal knows it"),
    plain("process_count", Kind::BigInt, "process instances in the group"),
    plain("destination_count", Kind::BigInt, "destinations in the group"),
    narrowing(
        "destination",
        Kind::Text,
        "IP address or host name; '' for group_by = 'process_port'",
    ),
    narrowing("destinationport", Kind::BigInt, "destination port"),
    plain("protocol", Kind::Text, "'tcp', 'udp', or '' if unknown or mixed"),
    plain("domain", Kind::Text, "name of the destination, where the journal knows it"),
    plain(
        "destination_scope",
        Kind::Text,
        "'public', 'private', 'link_local', 'loopback', 'multicast' or 'name'; '' for \
         group_by = 'process_port'",
    ),
    narrowing("tuple", Kind::Text, "destination::port"),
    plain("number_of_connections", Kind::BigInt, "connections in the window"),
    plain("first_seen", Kind::BigInt, "the first of them, unix seconds"),
    plain("last_seen", Kind::BigInt, "the last of them, unix seconds"),
    plain("min_interval", Kind::Double, "shortest interval, seconds"),
    plain("max_interval", Kind::Double, "longest interval, seconds"),
    plain("average_interval", Kind::Double, "mean interval, seconds"),
    plain("sum_interval", Kind::Double, "from the first connection to the last, seconds"),
    plain("median_interval", Kind::Double, "median interval, seconds"),
    plain("stddev_interval", Kind::Double, "standard deviation of the intervals, seconds"),
    plain(
        "most_frequent_interval",
        Kind::BigInt,
        "most frequent whole-second interval above time_delta_threshold, in the hour of \
         beacon_percent",
    ),
    plain("most_frequent_interval_count", Kind::BigInt, "how often it occurs there"),
    plain(
        "beacon_percent",
        Kind::Double,
        "its share of the intervals above the threshold, in the clock hour where that is highest \
         (over the window if no hour has more than total_events_threshold)",
    ),
    plain("beacon_hours", Kind::BigInt, "clock hours in which the repetitive-interval rule held"),
    plain("checkins", Kind::BigInt, "check-ins: connections merged over merge_gap, or 1 s"),
    plain(
        "period",
        Kind::Double,
        "time from check-in to check-in, seconds: the median of I/k over intervals I of about k \
         periods",
    ),
    plain(
        "jitter",
        Kind::Double,
        "interquartile range of I/k over the period: 0 for clockwork, j for sleeps uniform within \
         +-j",
    ),
    plain("missed_checkins", Kind::BigInt, "check-ins that were left out, absences aside"),
    plain(
        "merge_gap",
        Kind::BigInt,
        "gap over which connections are one check-in, seconds; 0 if several agents take turns",
    ),
    plain("bytes_sent", Kind::BigInt, "bytes from the host, where the journal has them"),
    plain("bytes_received", Kind::BigInt, "bytes to the host, where the journal has them"),
    plain("timestamp_score", Kind::Double, "RITA's score of the intervals, last 24 hours"),
    plain("datasize_score", Kind::Double, "RITA's score of the bytes sent"),
    plain("duration_score", Kind::Double, "RITA's score of the time covered"),
    plain("histogram_score", Kind::Double, "RITA's score of the activity by hour"),
    plain("rita_score", Kind::Double, "the mean of these four, or three without bytes"),
    plain(
        "beacon_score",
        Kind::Double,
        "regularity times evidence, 0 to 1; what rows are ordered by",
    ),
    plain(
        "detected_by",
        Kind::Text,
        "comma-separated: fixed_interval, repetitive_interval, periodic; '' if none",
    ),
    plain("suppressed_by", Kind::Text, "the suppression rule that hides the group, or ''"),
    plain("sparkline", Kind::Text, "activity over the window, from left to right"),
    narrowing("host", Kind::Text, "'' on the endpoint itself, else whose connections these are"),
];

const CONNECTIONS: &[Column] = &[
    narrowing("host", Kind::Text, "'' on the endpoint itself, else whose connection this is"),
    narrowing("time", Kind::BigInt, "when, unix seconds"),
    narrowing("pathname", Kind::Text, "image path of the process"),
    narrowing("sophosPID", Kind::Text, "process instance, pid:filetime"),
    plain("pid", Kind::BigInt, "process id"),
    narrowing("destination", Kind::Text, "IP address or host name"),
    narrowing("destinationport", Kind::BigInt, "destination port"),
    plain("protocol", Kind::Text, "'tcp', 'udp' or ''"),
    plain("domain", Kind::Text, "name of the destination, where the journal knows it"),
    narrowing("tuple", Kind::Text, "destination::port"),
    plain(
        "interval",
        Kind::Double,
        "seconds since the connection before it of the same host on this timeline",
    ),
    plain("bytes_sent", Kind::BigInt, "bytes from the host, where the journal has them"),
    plain("bytes_received", Kind::BigInt, "bytes to the host, where the journal has them"),
];

const SUPPRESSIONS: &[Column] = &[
    plain("name", Kind::Text, "name of the rule"),
    plain("class", Kind::Text, "what kind of timer it is for"),
    plain("reason", Kind::Text, "why that is known to be benign"),
    plain("origin", Kind::Text, "'default', or the file that it is from"),
    plain("enabled", Kind::BigInt, "1 if it is applied"),
    plain("conditions", Kind::Text, "what must hold, all of it"),
];

const STATUS: &[Column] = &[
    plain("source", Kind::Text, "a source of connections, or 'cache'"),
    plain("state", Kind::Text, "what it is doing"),
    plain("last_poll", Kind::BigInt, "when it was last read, unix seconds"),
    plain("last_event", Kind::BigInt, "its latest connection, unix seconds"),
    plain("events_total", Kind::BigInt, "connections read from it; of the cache: connections held"),
    plain("events_duplicate", Kind::BigInt, "of those, ones that the cache had already"),
    plain("events_rejected", Kind::BigInt, "lines that could not be read"),
    plain("lag_seconds", Kind::BigInt, "from its latest connection to now"),
    plain("last_error", Kind::Text, "its last problem"),
    plain("cache_path", Kind::Text, "the cache's file"),
    plain("cache_bytes", Kind::BigInt, "size of the cache on disk"),
    plain("cache_first", Kind::BigInt, "earliest connection in the cache, unix seconds"),
    plain("cache_last", Kind::BigInt, "latest connection in the cache, unix seconds"),
    plain("groups", Kind::BigInt, "groups of host, pathname, destination, port and protocol"),
    plain("last_query_ms", Kind::BigInt, "milliseconds that the last query took"),
    plain("last_query_rows", Kind::BigInt, "rows that it returned"),
    plain("last_query_blocks", Kind::BigInt, "blocks of connections that it decoded"),
    plain("last_query_bytes", Kind::BigInt, "bytes of blocks and summaries that it read"),
    plain("rows_cut", Kind::BigInt, "rows that row_limit kept from it"),
    plain("rows_suppressed", Kind::BigInt, "rows that suppression rules kept from it"),
    plain("version", Kind::Text, "version of beacon_candidates"),
];
