//! The columns of `beacon_candidates`, each with what it needs and how it is computed.

use super::row::CandidateRow;
use crate::beacon::detectors::repetitive_interval::MostFrequent;
use crate::table::column::{Definition, Needs, declared};
use crate::table::{Column, Kind, Value};

/// As the columns are declared.
pub(in crate::table) static COLUMNS: [Column; DEFINITIONS.len()] = declared(DEFINITIONS);

type CandidateColumn = Definition<fn(&CandidateRow<'_>) -> Value>;

const fn column(
    column: Column,
    needs: Needs,
    value: fn(&CandidateRow<'_>) -> Value,
) -> CandidateColumn {
    Definition { column, needs, value }
}

/// A measured quantity, or NULL where there is none.
fn measure(number: Option<f64>) -> Value {
    Value::from_measure(number)
}

fn most_frequent(row: &CandidateRow<'_>) -> Option<MostFrequent> {
    row.statistics.repetition.most_frequent
}

/// All columns.
pub(super) const DEFINITIONS: &[CandidateColumn] = &[
    column(
        Column::new(
            "pathname",
            Kind::Text,
            "image path of the process of the group's latest connection; '' if unknown",
        )
        .narrowing(),
        Needs::INSTANCES,
        |row| row.parties.pathname().into(),
    ),
    column(
        Column::new(
            "sophosPID",
            Kind::Text,
            "that process instance, pid:filetime (its start in 100-ns ticks since 1601, 0 if \
             unknown); '' if unknown",
        )
        .narrowing(),
        Needs::INSTANCES,
        |row| row.parties.sophos_pid().into(),
    ),
    column(
        Column::new("pid", Kind::BigInt, "its process id, to join processes; NULL if unknown"),
        Needs::INSTANCES,
        |row| row.parties.pid().into(),
    ),
    column(
        Column::new(
            "cmdline",
            Kind::Text,
            "its command line; '' where the journal does not know it",
        ),
        Needs::INSTANCES,
        |row| row.parties.cmdline().into(),
    ),
    column(
        Column::new("process_count", Kind::BigInt, "process instances in the group"),
        Needs::INSTANCES,
        |row| row.group.process_count.into(),
    ),
    column(
        Column::new("destination_count", Kind::BigInt, "destinations in the group"),
        Needs::NOTHING,
        |row| row.group.destinations.len().into(),
    ),
    column(
        Column::new(
            "destinations",
            Kind::Text,
            "those with the most connections, separated by commas: up to eight, and how many \
             more there are",
        ),
        Needs::DESTINATION,
        |row| row.parties.destinations.as_str().into(),
    ),
    column(
        Column::new(
            "destination",
            Kind::Text,
            "IP address or host name; '' for group_by = 'process_port'",
        )
        .narrowing(),
        Needs::DESTINATION,
        |row| (&*row.parties.destination).into(),
    ),
    column(
        Column::new("destinationport", Kind::BigInt, "destination port").narrowing(),
        Needs::NOTHING,
        |row| i64::from(row.group.latest.group.port).into(),
    ),
    column(
        Column::new("protocol", Kind::Text, "'tcp', 'udp', or '' if unknown or mixed"),
        Needs::NOTHING,
        |row| row.group.protocol.as_str().into(),
    ),
    column(
        Column::new(
            "domain",
            Kind::Text,
            "name of the destination at the latest connection; '' where the journal does not \
             know it, and for group_by = 'process_port'",
        ),
        Needs::DOMAINS,
        |row| row.parties.domain.as_str().into(),
    ),
    column(
        Column::new(
            "destination_scope",
            Kind::Text,
            "'public', 'private', 'link_local', 'loopback', 'multicast' or 'name'; '' for \
             group_by = 'process_port'",
        ),
        Needs::NOTHING,
        |row| row.parties.scope.into(),
    ),
    column(
        Column::new(
            "tuple",
            Kind::Text,
            "destination::port, IPv6 without brackets; *::port for group_by = 'process_port'",
        )
        .narrowing(),
        Needs::DESTINATION,
        |row| row.parties.tuple.as_str().into(),
    ),
    column(
        Column::new("number_of_connections", Kind::BigInt, "connections in the window"),
        Needs::NOTHING,
        |row| row.group.outline.connections.into(),
    ),
    column(
        Column::new("first_seen", Kind::BigInt, "the first of them, unix seconds"),
        Needs::NOTHING,
        |row| row.group.outline.span_ms.0.div_euclid(1000).into(),
    ),
    column(
        Column::new("last_seen", Kind::BigInt, "the last of them, unix seconds"),
        Needs::NOTHING,
        |row| row.group.outline.span_ms.1.div_euclid(1000).into(),
    ),
    column(
        Column::new(
            "min_interval",
            Kind::Double,
            "shortest interval, seconds; NULL for a lone connection",
        ),
        Needs::NOTHING,
        |row| measure(row.statistics.intervals.map(|each| each.min)),
    ),
    column(
        Column::new(
            "max_interval",
            Kind::Double,
            "longest interval, seconds; NULL for a lone connection",
        ),
        Needs::NOTHING,
        |row| measure(row.statistics.intervals.map(|each| each.max)),
    ),
    column(
        Column::new(
            "average_interval",
            Kind::Double,
            "mean interval, seconds; NULL for a lone connection",
        ),
        Needs::NOTHING,
        |row| measure(row.statistics.intervals.map(|each| each.average)),
    ),
    column(
        Column::new(
            "sum_interval",
            Kind::Double,
            "from the first connection to the last, seconds; NULL for a lone connection",
        ),
        Needs::NOTHING,
        |row| measure(row.statistics.intervals.map(|each| each.sum)),
    ),
    column(
        Column::new(
            "median_interval",
            Kind::Double,
            "median interval, seconds; NULL for a lone connection",
        ),
        Needs::MEDIAN,
        |row| measure(row.statistics.distribution.and_then(|each| each.median)),
    ),
    column(
        Column::new(
            "stddev_interval",
            Kind::Double,
            "standard deviation of the intervals (of the population), seconds; NULL for a lone \
             connection",
        ),
        Needs::DEVIATION,
        |row| measure(row.statistics.distribution.map(|each| each.stddev)),
    ),
    column(
        Column::new(
            "most_frequent_interval",
            Kind::BigInt,
            "most frequent interval above time_delta_threshold, whole seconds, in the hour of \
             beacon_percent; of equally frequent ones the shortest; NULL if none is above",
        ),
        Needs::REPETITION,
        |row| most_frequent(row).map(|found| found.interval).into(),
    ),
    column(
        Column::new(
            "most_frequent_interval_count",
            Kind::BigInt,
            "how often it occurs there; NULL if there is none",
        ),
        Needs::REPETITION,
        |row| most_frequent(row).map(|found| found.count).into(),
    ),
    column(
        Column::new(
            "beacon_percent",
            Kind::Double,
            "its share of the intervals above time_delta_threshold, percent, in the clock hour \
             where that is highest (over the window if no hour has more than \
             total_events_threshold of them); NULL if there is none",
        ),
        Needs::REPETITION,
        |row| measure(most_frequent(row).map(|found| found.percent)),
    ),
    column(
        Column::new(
            "beacon_hours",
            Kind::BigInt,
            "clock hours (UTC) in which the rule of repetitive_interval held; 0 where no \
             destination is public",
        ),
        Needs::REPETITION,
        |row| row.statistics.beacon_hours.into(),
    ),
    column(
        Column::new(
            "checkins",
            Kind::BigInt,
            "check-ins: connections no more than merge_gap apart are one",
        ),
        Needs::RHYTHM,
        |row| row.statistics.rhythm.map(|rhythm| rhythm.checkins).into(),
    ),
    column(
        Column::new(
            "period",
            Kind::Double,
            "time from check-in to check-in, seconds: the median of I/k over intervals I of \
             about k periods, k from 1 to 5; NULL for a lone check-in, and where it is under what \
             the source's times can tell (see beacon_status)",
        ),
        Needs::RHYTHM,
        |row| measure(row.periodicity().map(|each| each.period)),
    ),
    column(
        Column::new(
            "jitter",
            Kind::Double,
            "how much that varies, as a share of the period: the interquartile range of I/k \
             over it, 0 for clockwork, j for sleeps uniform within +-j; NULL where period is",
        ),
        Needs::RHYTHM,
        |row| measure(row.periodicity().map(|each| each.jitter)),
    ),
    column(
        Column::new(
            "missed_checkins",
            Kind::BigInt,
            "check-ins that were left out: the sum of k - 1; a longer interval is an absence and \
             not counted; NULL where period is",
        ),
        Needs::RHYTHM,
        |row| row.periodicity().map(|each| each.missed).into(),
    ),
    column(
        Column::new(
            "merge_gap",
            Kind::BigInt,
            "gap up to which connections are one check-in, seconds; 0 if each is one",
        ),
        Needs::RHYTHM,
        |row| row.statistics.rhythm.map(|rhythm| rhythm.merge_gap_ms / 1000).into(),
    ),
    column(
        Column::new(
            "agents",
            Kind::BigInt,
            "how many agents take turns: period is each one's, from its check-in to its next",
        ),
        Needs::RHYTHM,
        |row| row.statistics.rhythm.map(|rhythm| rhythm.agents).into(),
    ),
    column(
        Column::new(
            "bytes_sent",
            Kind::BigInt,
            "bytes from the host, over the connections that tell them; NULL if none does",
        ),
        Needs::BYTES,
        |row| row.group.bytes_sent.into(),
    ),
    column(
        Column::new(
            "bytes_received",
            Kind::BigInt,
            "bytes to the host, over the connections that tell them; NULL if none does",
        ),
        Needs::BYTES,
        |row| row.group.bytes_received.into(),
    ),
    column(
        Column::new(
            "timestamp_score",
            Kind::Double,
            "RITA's score of the intervals in the window's last 24 hours, 0 to 1; NULL under \
             four different seconds",
        ),
        Needs::RITA,
        |row| measure(row.statistics.rita.map(|scores| scores.timestamp)),
    ),
    column(
        Column::new(
            "datasize_score",
            Kind::Double,
            "RITA's score of the bytes sent, 0 to 1; NULL where timestamp_score is, and under \
             three connections with bytes",
        ),
        Needs::RITA.and(Needs::BYTES),
        |row| measure(row.statistics.rita.and_then(|scores| scores.datasize)),
    ),
    column(
        Column::new(
            "duration_score",
            Kind::Double,
            "RITA's score of the time covered, 0 to 1; NULL where timestamp_score is",
        ),
        Needs::RITA,
        |row| measure(row.statistics.rita.map(|scores| scores.duration)),
    ),
    column(
        Column::new(
            "histogram_score",
            Kind::Double,
            "RITA's score of the activity by hour, 0 to 1; NULL where timestamp_score is",
        ),
        Needs::RITA,
        |row| measure(row.statistics.rita.map(|scores| scores.histogram)),
    ),
    column(
        Column::new(
            "rita_score",
            Kind::Double,
            "the mean of these four, or three without bytes; NULL where timestamp_score is",
        ),
        Needs::RITA.and(Needs::BYTES),
        |row| measure(row.statistics.rita.map(|scores| scores.mean)),
    ),
    column(
        Column::new(
            "beacon_score",
            Kind::Double,
            "regularity x confidence: 0 is chance, 1 is clockwork with many check-ins; what rows \
             are ordered by; NULL where the period is under what the source's times can tell",
        ),
        Needs::SCORE,
        |row| measure(row.statistics.score),
    ),
    column(
        Column::new(
            "detected_by",
            Kind::Text,
            "comma-separated: fixed_interval, repetitive_interval, periodic; '' if none",
        ),
        Needs::DETECTORS,
        |row| row.statistics.detected_by.join(",").into(),
    ),
    column(
        Column::new(
            "suppressed_by",
            Kind::Text,
            "the suppression rule that hides the group unless include_suppressed = 1, or ''",
        ),
        Needs::RULES,
        |row| row.suppressed_by.into(),
    ),
    column(
        Column::new(
            "sparkline",
            Kind::Text,
            "activity over the window, from left to right, in 24 block characters",
        ),
        Needs::TIMES,
        |row| row.statistics.sparkline.as_str().into(),
    ),
    column(
        Column::new("host", Kind::Text, "whose connections these are; '' on the endpoint itself")
            .narrowing(),
        Needs::NOTHING,
        |row| (&*row.parties.host).into(),
    ),
];
