-- Prevalence of beacons across a fleet: tables, and what fills them.
--
--   osquery_results       the lines
--     -> beacon_observations   a row for each candidate that a line has
--          -> beacon_pairs        of these, a row for each host, pathname and destination
--     -> beacon_reports        a row for each host
--
-- Load it into a database of its own, then load views.sql. For a cluster see README.md.


-- In the lines of differential queries osquery writes bytes that are not printable ASCII as \xHH
-- (newer versions: only control characters and bytes that are no UTF-8), in those of snapshots it
-- does not. This undoes it, so that one pathname has one spelling. \x41 and its like stay, since
-- osquery never escapes printable characters, and so does all of a text that would not be UTF-8
-- afterwards, as C:\xA1\a.exe would not.
CREATE OR REPLACE FUNCTION beacon_unescape AS (text) ->
    if(
        isValidUTF8(
            decodeURLComponent(
                replaceRegexpAll(replaceAll(text, '%', '%25'), '\\\\x([0189A-F][0-9A-F])', '%\\1')
            )
        ),
        decodeURLComponent(
            replaceRegexpAll(replaceAll(text, '%', '%25'), '\\\\x([0189A-F][0-9A-F])', '%\\1')
        ),
        text
    );


-- The parts of a path that differ from release to release or from machine to machine: UUIDs,
-- versions of three numbers or more (with a build number), and folders that are a number.
CREATE OR REPLACE FUNCTION beacon_without_versions AS (path) ->
    replaceRegexpAll(
        replaceRegexpAll(
            replaceRegexpAll(
                path,
                '\\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\}?',
                '*'
            ),
            '[0-9]+(\\.[0-9]+){2,}(-[0-9]+)?',
            '*'
        ),
        '([/\\\\])[0-9]+([/\\\\])',
        '\\1*\\2'
    );


-- A Windows path, in lower case and with backslashes: without the prefix of a device path, and
-- with * for the user's folder. Public and Default are nobody's in particular, so they stay: a slash,
-- which is not in the path, keeps them from being taken for a user's.
CREATE OR REPLACE FUNCTION beacon_windows_key AS (path) ->
    replaceAll(
        replaceRegexpOne(
            replaceRegexpOne(
                replaceRegexpOne(
                    replaceRegexpOne(path, '^\\\\(\\\\[?.]|\\?\\?)\\\\', ''),
                    '^\\\\device\\\\harddiskvolume[0-9]+\\\\',
                    '\\\\device\\\\harddiskvolume*\\\\'
                ),
                '^([a-z]:|\\\\device\\\\harddiskvolume\\*)\\\\(users|documents and settings)\\\\(public|default|default user|all users)\\\\',
                '\\1\\\\\\2/\\3\\\\'
            ),
            '^([a-z]:|\\\\device\\\\harddiskvolume\\*)\\\\(users|documents and settings)\\\\[^\\\\]+\\\\',
            '\\1\\\\\\2\\\\*\\\\'
        ),
        '/',
        '\\'
    );


-- A path of any other system: * for the user's folder, and for the two folders of macOS that are
-- made up for each user. /Users/Shared stays, kept apart by a backslash, which is not in the path.
CREATE OR REPLACE FUNCTION beacon_posix_key AS (path) ->
    replaceAll(
        replaceRegexpOne(
            replaceRegexpOne(
                replaceRegexpOne(path, '^/Users/Shared/', '/Users\\\\Shared/'),
                '^(/home|/var/home|/Users)/[^/]+/',
                '\\1/*/'
            ),
            '^(/private)?/var/folders/[^/]+/[^/]+/',
            '/var/folders/*/*/'
        ),
        '\\',
        '/'
    );


-- What a pathname is counted under. A drive letter or a backslash tells a Windows path, as it does
-- in the tables.
CREATE OR REPLACE FUNCTION beacon_pathname_key AS (pathname) ->
    beacon_without_versions(
        if(
            match(pathname, '^[A-Za-z]:|\\\\'),
            beacon_windows_key(lowerUTF8(replaceAll(pathname, '/', '\\'))),
            beacon_posix_key(pathname)
        )
    );


-- osquery's result log as it is, a line a row. It is kept for as long as it takes to notice that
-- something went wrong behind it, and to fill the tables again.
--
-- received_at is this server's clock. Partitions, retention and the views' windows go by it and not
-- by the hosts' clocks: one host that believes it is 1970 would make a partition of its own,
-- and a hundred of them would have a whole batch refused (max_partitions_per_insert_block).
CREATE TABLE IF NOT EXISTS osquery_results
(
    received_at DateTime('UTC') DEFAULT now() CODEC(DoubleDelta, ZSTD(1)),
    line        String CODEC(ZSTD(3))
)
ENGINE = MergeTree
PARTITION BY toDate(received_at)
ORDER BY received_at
TTL received_at + INTERVAL 7 DAY
SETTINGS ttl_only_drop_parts = 1;


-- A row for each row of beacon_candidates that a host logged: of a snapshot, or added in a
-- differential.
--
-- The sorting key is what makes two rows the same observation: a line that is delivered twice gives
-- rows that are equal in all of it (row_hash is over the whole row, whatever the order of its keys), and
-- merges keep the one that was received first. Until they have merged, and where they are in two
-- partitions, both are there: count rows with FINAL. Nothing that is made of this table counts rows.
--
-- A number that the table leaves out, or that the query did not select, is NULL and not 0.
CREATE TABLE IF NOT EXISTS beacon_observations
(
    -- Of the line.
    received_at  DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    observed_at  DateTime('UTC') COMMENT 'unixTime: when the host ran the query'
                 CODEC(Delta, ZSTD(1)),
    host         String COMMENT 'the host of the row, or hostIdentifier where that is empty'
                 CODEC(ZSTD(1)),
    reporter     String COMMENT 'hostIdentifier: who wrote the line' CODEC(ZSTD(1)),
    query        LowCardinality(String) COMMENT 'name of the scheduled query',
    action       LowCardinality(String) COMMENT 'snapshot or added',

    -- Made of the row.
    pathname_key String COMMENT 'beacon_pathname_key(pathname)' CODEC(ZSTD(1)),
    is_beacon    UInt8 COMMENT 'a detector named it, or the query did not select detected_by',
    row_hash     UInt64 CODEC(ZSTD(1)),
    -- The greatest is kept of repeats: that is the earliest.
    earliness    UInt32 MATERIALIZED 4294967295 - toUnixTimestamp(received_at) CODEC(DoubleDelta, ZSTD(1)),

    -- Of the row, as docs/table-reference.md has them.
    pathname              String CODEC(ZSTD(1)),
    sophosPID             String CODEC(ZSTD(1)),
    pid                   Nullable(Int64) CODEC(ZSTD(1)),
    cmdline               String CODEC(ZSTD(1)),
    process_count         Nullable(Int64) CODEC(ZSTD(1)),
    destination_count     Nullable(Int64) CODEC(ZSTD(1)),
    destinations          String CODEC(ZSTD(1)),
    destination           String CODEC(ZSTD(1)),
    destinationport       UInt16 CODEC(ZSTD(1)),
    protocol              LowCardinality(String),
    domain                String CODEC(ZSTD(1)),
    destination_scope     LowCardinality(String),
    tuple                 String CODEC(ZSTD(1)),
    number_of_connections Nullable(Int64) CODEC(ZSTD(1)),
    first_seen            Nullable(DateTime('UTC')) CODEC(ZSTD(1)),
    last_seen             Nullable(DateTime('UTC')) CODEC(ZSTD(1)),
    min_interval          Nullable(Float64) CODEC(ZSTD(1)),
    max_interval          Nullable(Float64) CODEC(ZSTD(1)),
    average_interval      Nullable(Float64) CODEC(ZSTD(1)),
    sum_interval          Nullable(Float64) CODEC(ZSTD(1)),
    median_interval       Nullable(Float64) CODEC(ZSTD(1)),
    stddev_interval       Nullable(Float64) CODEC(ZSTD(1)),
    most_frequent_interval       Nullable(Int64) CODEC(ZSTD(1)),
    most_frequent_interval_count Nullable(Int64) CODEC(ZSTD(1)),
    beacon_percent        Nullable(Float64) CODEC(ZSTD(1)),
    beacon_hours          Nullable(Int64) CODEC(ZSTD(1)),
    checkins              Nullable(Int64) CODEC(ZSTD(1)),
    period                Nullable(Float64) CODEC(ZSTD(1)),
    jitter                Nullable(Float64) CODEC(ZSTD(1)),
    missed_checkins       Nullable(Int64) CODEC(ZSTD(1)),
    merge_gap             Nullable(Int64) CODEC(ZSTD(1)),
    agents                Nullable(Int64) CODEC(ZSTD(1)),
    bytes_sent            Nullable(Int64) CODEC(ZSTD(1)),
    bytes_received        Nullable(Int64) CODEC(ZSTD(1)),
    timestamp_score       Nullable(Float64) CODEC(ZSTD(1)),
    datasize_score        Nullable(Float64) CODEC(ZSTD(1)),
    duration_score        Nullable(Float64) CODEC(ZSTD(1)),
    histogram_score       Nullable(Float64) CODEC(ZSTD(1)),
    rita_score            Nullable(Float64) CODEC(ZSTD(1)),
    beacon_score          Nullable(Float64) CODEC(ZSTD(1)),
    detected_by           LowCardinality(String),
    suppressed_by         LowCardinality(String),
    sparkline             String CODEC(ZSTD(1)),

    -- The sorting key serves questions about a program or an address of its; this, those about a host.
    INDEX by_host host TYPE bloom_filter GRANULARITY 1
)
ENGINE = ReplacingMergeTree(earliness)
PARTITION BY toMonday(received_at)
ORDER BY (pathname_key, destination, destinationport, host, observed_at, row_hash)
TTL received_at + INTERVAL 90 DAY
SETTINGS ttl_only_drop_parts = 1;


-- What is known of each host, pathname and destination: what prevalence is counted from. It is as long
-- as there are pairs, not as there are observations, so that the views answer in seconds.
--
-- All of its columns are greatest, least or a set, so an observation that is there twice changes
-- nothing. Hosts' clocks may be wrong, and a host that is no longer its owner's may lie. So beside
-- first_seen, which is the host's word, there is first_received, by this server's clock.
CREATE TABLE IF NOT EXISTS beacon_pairs
(
    pathname_key    String CODEC(ZSTD(1)),
    destination     String CODEC(ZSTD(1)),
    destinationport UInt16 CODEC(ZSTD(1)),
    host            String CODEC(ZSTD(1)),
    tuple           SimpleAggregateFunction(any, String) CODEC(ZSTD(1)),
    reporters       SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    first_seen      SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD(1)),
    last_seen       SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1)),
    first_received  SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD(1)),
    last_received   SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1)),
    last_beacon     SimpleAggregateFunction(max, DateTime('UTC'))
                    COMMENT 'received_at of the latest with is_beacon, else 1970'
                    CODEC(ZSTD(1)),
    best_score      SimpleAggregateFunction(max, Nullable(Float64)) CODEC(ZSTD(1)),
    -- (period, jitter, checkins, detected_by) of the observation with the best score. Of equals it is
    -- the latest, and of those always the same.
    best            AggregateFunction(
                        argMax,
                        Tuple(Nullable(Float64), Nullable(Float64), Nullable(Int64), String),
                        Tuple(Float64, DateTime('UTC'), UInt64)
                    ) CODEC(ZSTD(1)),
    -- (pathname, cmdline, domain, destination_scope, suppressed_by) of the latest observation.
    latest          AggregateFunction(
                        argMax,
                        Tuple(String, String, String, String, String),
                        Tuple(DateTime('UTC'), UInt64)
                    ) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (pathname_key, destination, destinationport, host)
TTL last_received + INTERVAL 1 YEAR;


-- Which hosts have reported, and when: what prevalence is a share of. A host without candidates is in
-- it too, since osquery logs an empty snapshot.
CREATE TABLE IF NOT EXISTS beacon_reports
(
    host           String CODEC(ZSTD(1)),
    reporter       String CODEC(ZSTD(1)),
    first_received SimpleAggregateFunction(min, DateTime('UTC')) CODEC(ZSTD(1)),
    last_received  SimpleAggregateFunction(max, DateTime('UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
ORDER BY (host, reporter)
TTL last_received + INTERVAL 1 YEAR;


-- Rows come in four shapes: "snapshot": [rows]; "columns": row with "action": "added", "removed" or
-- "snapshot" (--logger_snapshot_event_type); "diffResults": {"added": [rows], "removed": [rows]}
-- (--logger_event_type=false). Only what was removed is not an observation.
--
-- Values are text, '' for NULL, or numbers ("numerics": true), so each is taken as it is written and
-- parsed by its column. A row is one of beacon_candidates if it has a destination and a
-- beacon_score or detected_by; which query it came from does not matter. A line that is no JSON has
-- no rows.
--
-- The line is taken apart before ARRAY JOIN, which would repeat all of it for each of its rows.
CREATE MATERIALIZED VIEW IF NOT EXISTS beacon_observations_mv TO beacon_observations AS
WITH
    JSONExtractKeysAndValuesRaw(row) AS raw_cells,
    arrayMap(
        (raw) -> multiIf(
            raw = 'null', '',
            NOT startsWith(raw, '"'), raw,
            is_differential, beacon_unescape(JSONExtractString(raw)),
            JSONExtractString(raw)
        ),
        raw_cells.2
    ) AS cells,
    mapFromArrays(raw_cells.1, cells) AS c,
    toFloat64OrNull(c['beacon_score']) AS given_score
SELECT
    received_at,
    toDateTime(ifNull(toUInt32OrNull(trim(BOTH '"' FROM unix_time)), 0), 'UTC') AS observed_at,
    if(c['host'] = '', reporter, c['host']) AS host,
    reporter,
    query,
    if(is_differential, 'added', 'snapshot') AS action,

    beacon_pathname_key(c['pathname']) AS pathname_key,
    NOT mapContains(c, 'detected_by') OR c['detected_by'] != '' AS is_beacon,
    sipHash64(
        query,
        reporter,
        arraySort(arrayZip(raw_cells.1, cells))
    ) AS row_hash,

    c['pathname'] AS pathname,
    c['sophosPID'] AS sophosPID,
    toInt64OrNull(c['pid']) AS pid,
    c['cmdline'] AS cmdline,
    toInt64OrNull(c['process_count']) AS process_count,
    toInt64OrNull(c['destination_count']) AS destination_count,
    c['destinations'] AS destinations,
    c['destination'] AS destination,
    toUInt16OrZero(c['destinationport']) AS destinationport,
    c['protocol'] AS protocol,
    c['domain'] AS domain,
    c['destination_scope'] AS destination_scope,
    if(c['tuple'] = '', concat(destination, '::', toString(destinationport)), c['tuple']) AS tuple,
    toInt64OrNull(c['number_of_connections']) AS number_of_connections,
    toDateTime(toUInt32OrNull(c['first_seen']), 'UTC') AS first_seen,
    toDateTime(toUInt32OrNull(c['last_seen']), 'UTC') AS last_seen,
    toFloat64OrNull(c['min_interval']) AS min_interval,
    toFloat64OrNull(c['max_interval']) AS max_interval,
    toFloat64OrNull(c['average_interval']) AS average_interval,
    toFloat64OrNull(c['sum_interval']) AS sum_interval,
    toFloat64OrNull(c['median_interval']) AS median_interval,
    toFloat64OrNull(c['stddev_interval']) AS stddev_interval,
    toInt64OrNull(c['most_frequent_interval']) AS most_frequent_interval,
    toInt64OrNull(c['most_frequent_interval_count']) AS most_frequent_interval_count,
    toFloat64OrNull(c['beacon_percent']) AS beacon_percent,
    toInt64OrNull(c['beacon_hours']) AS beacon_hours,
    toInt64OrNull(c['checkins']) AS checkins,
    toFloat64OrNull(c['period']) AS period,
    toFloat64OrNull(c['jitter']) AS jitter,
    toInt64OrNull(c['missed_checkins']) AS missed_checkins,
    toInt64OrNull(c['merge_gap']) AS merge_gap,
    toInt64OrNull(c['agents']) AS agents,
    toInt64OrNull(c['bytes_sent']) AS bytes_sent,
    toInt64OrNull(c['bytes_received']) AS bytes_received,
    toFloat64OrNull(c['timestamp_score']) AS timestamp_score,
    toFloat64OrNull(c['datasize_score']) AS datasize_score,
    toFloat64OrNull(c['duration_score']) AS duration_score,
    toFloat64OrNull(c['histogram_score']) AS histogram_score,
    toFloat64OrNull(c['rita_score']) AS rita_score,
    -- What is no score, as only a host that lies would send, must not come first.
    if(given_score >= 0 AND given_score <= 1, given_score, NULL) AS beacon_score,
    c['detected_by'] AS detected_by,
    c['suppressed_by'] AS suppressed_by,
    c['sparkline'] AS sparkline
FROM
(
    SELECT
        received_at,
        JSONExtractRaw(line, 'unixTime') AS unix_time,
        JSONExtractString(line, 'hostIdentifier') AS reporter,
        JSONExtractString(line, 'name') AS query,
        JSONExtractString(line, 'action') AS line_action,
        JSONHas(line, 'diffResults') AS is_batch,
        is_batch OR line_action = 'added' AS is_differential,
        multiIf(
            is_batch, JSONExtractArrayRaw(line, 'diffResults', 'added'),
            JSONHas(line, 'snapshot'), JSONExtractArrayRaw(line, 'snapshot'),
            line_action IN ('added', 'snapshot'), [JSONExtractRaw(line, 'columns')],
            []
        ) AS rows_of_line
    FROM osquery_results
)
ARRAY JOIN rows_of_line AS row
WHERE reporter != ''
    AND mapContains(c, 'destination')
    AND (mapContains(c, 'beacon_score') OR mapContains(c, 'detected_by'));


CREATE MATERIALIZED VIEW IF NOT EXISTS beacon_pairs_mv TO beacon_pairs AS
SELECT
    o.pathname_key AS pathname_key,
    o.destination AS destination,
    o.destinationport AS destinationport,
    o.host AS host,
    any(o.tuple) AS tuple,
    groupUniqArray(o.reporter) AS reporters,
    min(ifNull(o.first_seen, o.observed_at)) AS first_seen,
    max(ifNull(o.last_seen, o.observed_at)) AS last_seen,
    min(o.received_at) AS first_received,
    max(o.received_at) AS last_received,
    maxIf(o.received_at, o.is_beacon) AS last_beacon,
    max(o.beacon_score) AS best_score,
    -- The casts give exactly the types of the states in the table: some versions name the parts of a
    -- tuple after its columns, which makes it another type.
    argMaxState(
        CAST(
            (o.period, o.jitter, o.checkins, o.detected_by),
            'Tuple(Nullable(Float64), Nullable(Float64), Nullable(Int64), String)'
        ),
        CAST(
            (ifNull(o.beacon_score, 0), o.observed_at, o.row_hash),
            'Tuple(Float64, DateTime(\'UTC\'), UInt64)'
        )
    ) AS best,
    argMaxState(
        CAST(
            (o.pathname, o.cmdline, o.domain, o.destination_scope, o.suppressed_by),
            'Tuple(String, String, String, String, String)'
        ),
        CAST((o.observed_at, o.row_hash), 'Tuple(DateTime(\'UTC\'), UInt64)')
    ) AS latest
FROM beacon_observations AS o
GROUP BY
    o.pathname_key,
    o.destination,
    o.destinationport,
    o.host;


-- A line of a query with "beacon" in its name, or with rows of beacon_candidates, says that its host
-- reports; an empty snapshot and a removed row do too. Where the rows name hosts, as those of a
-- central sensor do, it is them.
CREATE MATERIALIZED VIEW IF NOT EXISTS beacon_reports_mv TO beacon_reports AS
SELECT
    if(row_host = '', reporter, row_host) AS host,
    reporter,
    min(received_at) AS first_received,
    max(received_at) AS last_received
FROM
(
    SELECT
        received_at,
        JSONExtractString(line, 'hostIdentifier') AS reporter,
        JSONExtractString(line, 'name') AS query,
        arrayConcat(
            JSONExtractArrayRaw(line, 'snapshot'),
            if(JSONHas(line, 'columns'), [JSONExtractRaw(line, 'columns')], []),
            JSONExtractArrayRaw(line, 'diffResults', 'added'),
            JSONExtractArrayRaw(line, 'diffResults', 'removed')
        ) AS rows_of_line,
        arrayExists(
            (row) -> JSONHas(row, 'beacon_score') OR JSONHas(row, 'detected_by'),
            rows_of_line
        ) AS has_candidates,
        arrayDistinct(
            if(
                empty(rows_of_line),
                [''],
                arrayMap((row) -> beacon_unescape(JSONExtractString(row, 'host')), rows_of_line)
            )
        ) AS hosts_of_line
    FROM osquery_results
)
ARRAY JOIN hosts_of_line AS row_host
WHERE reporter != ''
    AND (has_candidates OR positionCaseInsensitive(query, 'beacon') > 0)
GROUP BY host, reporter;
