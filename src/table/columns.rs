//! Every table's name and columns: the one list from which hosts declare them and documents are made.

use super::column::{narrowing, plain};
use super::{Column, ColumnOptions, Kind, Parameter};

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
    narrowing(
        "pathname",
        Kind::Text,
        "image path of the process of the group's latest connection; '' if unknown",
    ),
    narrowing(
        "sophosPID",
        Kind::Text,
        "that process instance, pid:filetime (its start in 100-ns ticks since 1601, 0 if unknown); \
         '' if unknown",
    ),
    plain("pid", Kind::BigInt, "its process id, to join processes; NULL if unknown"),
    plain("cmdline", Kind::Text, "its command line; '' where the journal does not know it"),
    plain("process_count", Kind::BigInt, "process instances in the group"),
    plain("destination_count", Kind::BigInt, "destinations in the group"),
    narrowing(
        "destination",
        Kind::Text,
        "IP address or host name; '' for group_by = 'process_port'",
    ),
    narrowing("destinationport", Kind::BigInt, "destination port"),
    plain("protocol", Kind::Text, "'tcp', 'udp', or '' if unknown or mixed"),
    plain(
        "domain",
        Kind::Text,
        "name of the destination at the latest connection; '' where the journal does not know it, \
         and for group_by = 'process_port'",
    ),
    plain(
        "destination_scope",
        Kind::Text,
        "'public', 'private', 'link_local', 'loopback', 'multicast' or 'name'; '' for \
         group_by = 'process_port'",
    ),
    narrowing(
        "tuple",
        Kind::Text,
        "destination::port, IPv6 without brackets; *::port for group_by = 'process_port'",
    ),
    plain("number_of_connections", Kind::BigInt, "connections in the window"),
    plain("first_seen", Kind::BigInt, "the first of them, unix seconds"),
    plain("last_seen", Kind::BigInt, "the last of them, unix seconds"),
    plain("min_interval", Kind::Double, "shortest interval, seconds; NULL for a lone connection"),
    plain("max_interval", Kind::Double, "longest interval, seconds; NULL for a lone connection"),
    plain("average_interval", Kind::Double, "mean interval, seconds; NULL for a lone connection"),
    plain(
        "sum_interval",
        Kind::Double,
        "from the first connection to the last, seconds; NULL for a lone connection",
    ),
    plain("median_interval", Kind::Double, "median interval, seconds; NULL for a lone connection"),
    plain(
        "stddev_interval",
        Kind::Double,
        "standard deviation of the intervals (of the population), seconds; NULL for a lone \
         connection",
    ),
    plain(
        "most_frequent_interval",
        Kind::BigInt,
        "most frequent interval above time_delta_threshold, whole seconds, in the hour of \
         beacon_percent; of equally frequent ones the shortest; NULL if none is above",
    ),
    plain(
        "most_frequent_interval_count",
        Kind::BigInt,
        "how often it occurs there; NULL if there is none",
    ),
    plain(
        "beacon_percent",
        Kind::Double,
        "its share of the intervals above time_delta_threshold, percent, in the clock hour where \
         that is highest (over the window if no hour has more than total_events_threshold of \
         them); NULL if there is none",
    ),
    plain(
        "beacon_hours",
        Kind::BigInt,
        "clock hours (UTC) in which the rule of repetitive_interval held; 0 where no destination \
         is public",
    ),
    plain(
        "checkins",
        Kind::BigInt,
        "check-ins: connections no more than merge_gap apart are one (no more than 1 s where \
         merge_gap is 0)",
    ),
    plain(
        "period",
        Kind::Double,
        "time from check-in to check-in, seconds: the median of I/k over intervals I of about k \
         periods, k from 1 to 10; NULL for a lone check-in",
    ),
    plain(
        "jitter",
        Kind::Double,
        "how much that varies, as a share of the period: the interquartile range of I/k over it, 0 \
         for clockwork, j for sleeps uniform within +-j; NULL for a lone check-in",
    ),
    plain(
        "missed_checkins",
        Kind::BigInt,
        "check-ins that were left out: the sum of k - 1; an interval over 10 periods is an absence \
         and not counted; NULL for a lone check-in",
    ),
    plain(
        "merge_gap",
        Kind::BigInt,
        "gap up to which connections are one check-in, seconds; 0 if several agents take turns",
    ),
    plain(
        "bytes_sent",
        Kind::BigInt,
        "bytes from the host, over the connections that tell them; NULL if none does",
    ),
    plain(
        "bytes_received",
        Kind::BigInt,
        "bytes to the host, over the connections that tell them; NULL if none does",
    ),
    plain(
        "timestamp_score",
        Kind::Double,
        "RITA's score of the intervals in the window's last 24 hours, 0 to 1; NULL under four \
         different seconds",
    ),
    plain(
        "datasize_score",
        Kind::Double,
        "RITA's score of the bytes sent, 0 to 1; NULL where timestamp_score is, and under three \
         connections with bytes",
    ),
    plain(
        "duration_score",
        Kind::Double,
        "RITA's score of the time covered, 0 to 1; NULL where timestamp_score is",
    ),
    plain(
        "histogram_score",
        Kind::Double,
        "RITA's score of the activity by hour, 0 to 1; NULL where timestamp_score is",
    ),
    plain(
        "rita_score",
        Kind::Double,
        "the mean of these four, or three without bytes; NULL where timestamp_score is",
    ),
    plain(
        "beacon_score",
        Kind::Double,
        "how regular, times how sure: 0 is chance, 1 clockwork and plenty of it; what rows are \
         ordered by",
    ),
    plain(
        "detected_by",
        Kind::Text,
        "comma-separated: fixed_interval, repetitive_interval, periodic; '' if none",
    ),
    plain(
        "suppressed_by",
        Kind::Text,
        "the suppression rule that hides the group unless include_suppressed = 1, or ''",
    ),
    plain(
        "sparkline",
        Kind::Text,
        "activity over the window, from left to right, in 24 block characters",
    ),
    narrowing("host", Kind::Text, "whose connections these are; '' on the endpoint itself"),
];

const CONNECTIONS: &[Column] = &[
    narrowing("host", Kind::Text, "whose connection this is; '' on the endpoint itself"),
    narrowing("time", Kind::BigInt, "when, unix seconds"),
    narrowing("pathname", Kind::Text, "image path of the process; '' if unknown"),
    narrowing(
        "sophosPID",
        Kind::Text,
        "process instance, pid:filetime (its start in 100-ns ticks since 1601, 0 if unknown); '' if \
         unknown",
    ),
    plain("pid", Kind::BigInt, "process id; NULL if unknown"),
    narrowing("destination", Kind::Text, "IP address or host name"),
    narrowing("destinationport", Kind::BigInt, "destination port"),
    plain("protocol", Kind::Text, "'tcp', 'udp', or '' if unknown"),
    plain("domain", Kind::Text, "name of the destination; '' where the journal does not know it"),
    narrowing("tuple", Kind::Text, "destination::port, IPv6 without brackets"),
    plain(
        "interval",
        Kind::Double,
        "seconds since the connection before it of the same host on this timeline; NULL for the \
         first",
    ),
    plain("bytes_sent", Kind::BigInt, "bytes from the host; NULL where the journal has none"),
    plain("bytes_received", Kind::BigInt, "bytes to the host; NULL where the journal has none"),
];

const SUPPRESSIONS: &[Column] = &[
    plain("name", Kind::Text, "name of the rule"),
    plain("class", Kind::Text, "what kind of timer it is for"),
    plain("reason", Kind::Text, "why that is known to be benign"),
    plain("origin", Kind::Text, "'default', or the file that it is from"),
    plain("enabled", Kind::BigInt, "1 if it is applied, 0 if not"),
    plain("conditions", Kind::Text, "what must hold, all of it"),
];

const STATUS: &[Column] = &[
    plain("source", Kind::Text, "a source of connections, or 'cache' for the cache as a whole"),
    plain("state", Kind::Text, "what it is doing; what follows a semicolon is a warning"),
    plain("last_poll", Kind::BigInt, "when it was last read, unix seconds; NULL for the cache"),
    plain("last_event", Kind::BigInt, "its latest connection, unix seconds; NULL if it has none"),
    plain(
        "events_total",
        Kind::BigInt,
        "connections read from it, duplicates included; of the cache: connections held",
    ),
    plain(
        "events_duplicate",
        Kind::BigInt,
        "of those, ones that the cache had already; NULL for the cache",
    ),
    plain(
        "events_rejected",
        Kind::BigInt,
        "lines or rows that could not be read; NULL for the cache",
    ),
    plain(
        "lag_seconds",
        Kind::BigInt,
        "from its latest connection to now, seconds; NULL if it has none",
    ),
    plain("last_error", Kind::Text, "its last problem, also once that has gone; '' if none"),
    plain("cache_path", Kind::Text, "the cache's file; '' for a source"),
    plain("cache_bytes", Kind::BigInt, "size of the cache on disk, bytes; NULL for a source"),
    plain(
        "cache_first",
        Kind::BigInt,
        "earliest connection in the cache, unix seconds; NULL for a source, or if it is empty",
    ),
    plain(
        "cache_last",
        Kind::BigInt,
        "latest connection in the cache, unix seconds; NULL for a source, or if it is empty",
    ),
    plain(
        "groups",
        Kind::BigInt,
        "groups of host, pathname, destination, port and protocol in the cache; NULL for a source",
    ),
    plain(
        "last_query_ms",
        Kind::BigInt,
        "milliseconds that the last query for candidates or connections took; NULL for a source, \
         and before the first query",
    ),
    plain("last_query_rows", Kind::BigInt, "rows that it returned; NULL as last_query_ms"),
    plain(
        "last_query_blocks",
        Kind::BigInt,
        "blocks of connections that it decoded; NULL as last_query_ms",
    ),
    plain(
        "last_query_bytes",
        Kind::BigInt,
        "bytes of blocks and summaries that it read; NULL as last_query_ms",
    ),
    plain("rows_cut", Kind::BigInt, "rows that row_limit kept from it; NULL as last_query_ms"),
    plain(
        "rows_suppressed",
        Kind::BigInt,
        "rows that suppression rules kept from it; NULL as last_query_ms",
    ),
    plain(
        "evicted_age",
        Kind::BigInt,
        "connections that were removed because they were older than retention.days; NULL for a source",
    ),
    plain(
        "evicted_size",
        Kind::BigInt,
        "connections that were removed to keep the cache within retention.megabytes; NULL for a source",
    ),
    plain(
        "evicted_share",
        Kind::BigInt,
        "the same of pathnames and hosts that held more than a quarter of the cache; NULL for a source",
    ),
    plain(
        "evicted_future",
        Kind::BigInt,
        "connections that were removed because they were dated after now; NULL for a source",
    ),
    plain("version", Kind::Text, "version of beacon_candidates"),
];
