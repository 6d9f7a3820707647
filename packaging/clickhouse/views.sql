-- Prevalence of beacons across a fleet: on how many hosts, since when, and what is odd.
--
-- Every view takes `days`: counted are the hosts of which this server has received such a beacon in
-- that many days, by its own clock. What is said of their beacons (first_seen, best_score) is of all
-- the time that is kept.
--
--   SELECT * FROM beacon_rare(days = 30, max_hosts = 3) ORDER BY oddness DESC LIMIT 50;


-- A row for each host, pathname and destination: what the other views count. GROUP BY, since what has
-- not been merged yet is there in parts.
CREATE OR REPLACE VIEW beacon_host_pairs AS
SELECT
    p.pathname_key AS pathname_key,
    p.destination AS destination,
    p.destinationport AS destinationport,
    p.host AS host,
    any(p.tuple) AS tuple,
    groupUniqArrayArray(p.reporters) AS reporters,
    min(p.first_seen) AS first_seen,
    max(p.last_seen) AS last_seen,
    min(p.first_received) AS first_received,
    max(p.last_received) AS last_received,
    max(p.last_beacon) >= now('UTC') - toIntervalDay({days:UInt16}) AS beacons,
    max(p.best_score) AS best_score,
    argMaxMerge(p.best) AS best,
    argMaxMerge(p.latest) AS latest
FROM beacon_pairs AS p
GROUP BY
    p.pathname_key,
    p.destination,
    p.destinationport,
    p.host
HAVING last_received >= now('UTC') - toIntervalDay({days:UInt16});


-- On how many hosts does this pathname beacon? A pathname that is not known ('') is counted, too.
CREATE OR REPLACE VIEW beacon_prevalence_by_pathname AS
SELECT
    p.pathname_key AS pathname_key,
    uniqExact(p.host) AS hosts,
    (
        SELECT uniqExact(host)
        FROM beacon_reports
        WHERE last_received >= now('UTC') - toIntervalDay({days:UInt16})
    ) AS reporting_hosts,
    hosts / reporting_hosts AS share,
    uniqExactIf((p.destination, p.destinationport), p.destination != '') AS destinations,
    min(p.first_seen) AS first_seen,
    max(p.last_seen) AS last_seen,
    min(p.first_received) AS first_received,
    argMin(p.host, (p.first_received, p.first_seen, p.host)) AS first_host,
    max(p.best_score) AS best_score,
    uniqExactArray(p.reporters) AS reporters
FROM beacon_host_pairs(days = {days:UInt16}) AS p
WHERE p.beacons
GROUP BY p.pathname_key;


-- To this address and port, from how many hosts? `hosts` have a beacon to it, `talking_hosts` have any
-- row: the same, unless the query asks for include_all = 1. Rows of group_by = 'process_port' have
-- no destination and are not here.
CREATE OR REPLACE VIEW beacon_prevalence_by_destination AS
SELECT
    p.destination AS destination,
    p.destinationport AS destinationport,
    any(p.tuple) AS tuple,
    uniqExactIf(p.host, p.beacons) AS hosts,
    uniqExact(p.host) AS talking_hosts,
    (
        SELECT uniqExact(host)
        FROM beacon_reports
        WHERE last_received >= now('UTC') - toIntervalDay({days:UInt16})
    ) AS reporting_hosts,
    hosts / reporting_hosts AS share,
    uniqExactIf(p.pathname_key, p.beacons) AS pathnames,
    groupUniqArrayIf(5)(p.latest.3, p.beacons AND p.latest.3 != '') AS domains,
    minIf(p.first_seen, p.beacons) AS first_seen,
    maxIf(p.last_seen, p.beacons) AS last_seen,
    minIf(p.first_received, p.beacons) AS first_received,
    argMinIf(p.host, (p.first_received, p.first_seen, p.host), p.beacons) AS first_host,
    maxIf(p.best_score, p.beacons) AS best_score,
    uniqExactArrayIf(p.reporters, p.beacons) AS reporters
FROM beacon_host_pairs(days = {days:UInt16}) AS p
WHERE p.destination != ''
GROUP BY
    p.destination,
    p.destinationport
HAVING hosts > 0;


-- From how many hosts does this pathname beacon to this address and port?
CREATE OR REPLACE VIEW beacon_prevalence_by_pair AS
SELECT
    p.pathname_key AS pathname_key,
    p.destination AS destination,
    p.destinationport AS destinationport,
    any(p.tuple) AS tuple,
    uniqExact(p.host) AS hosts,
    (
        SELECT uniqExact(host)
        FROM beacon_reports
        WHERE last_received >= now('UTC') - toIntervalDay({days:UInt16})
    ) AS reporting_hosts,
    hosts / reporting_hosts AS share,
    min(p.first_seen) AS first_seen,
    max(p.last_seen) AS last_seen,
    min(p.first_received) AS first_received,
    argMin(p.host, (p.first_received, p.first_seen, p.host)) AS first_host,
    max(p.best_score) AS best_score,
    quantileExact(0.5)(p.best.1) AS median_period,
    uniqExactArray(p.reporters) AS reporters
FROM beacon_host_pairs(days = {days:UInt16}) AS p
WHERE p.beacons AND p.destination != ''
GROUP BY
    p.pathname_key,
    p.destination,
    p.destinationport;


-- The odd ones out: a row for each host, pathname and destination of which at most `max_hosts` hosts
-- have one, without those that a suppression rule hides. Order by oddness:
--
--   oddness    = best_score * (rareness of the pathname + rareness of the destination) / 2
--   rareness   = 1 - ln(hosts) / ln(reporting_hosts): 1 on a single host, 0 on all of them
--
-- So a timer of one host scores its whole beacon_score if neither the program nor the destination is
-- anywhere else, half of it if one of the two is on all hosts (a common program that calls an
-- address of its own, or a program of its own that calls a common service), and nothing if both
-- are. The logarithm tells 1 host of 100,000 from 1,000; the share, 0.00001 and 0.01, would not.
--
-- The pathname is counted where it beacons, the destination where anything of a host talks to it.
-- Rows without a destination (group_by = 'process_port') go by the pathname alone.
CREATE OR REPLACE VIEW beacon_rare AS
SELECT
    best_score * (pathname_rareness + destination_rareness) / 2 AS oddness,
    best_score,
    host,
    latest.1 AS pathname,
    tuple,
    latest.3 AS domain,
    latest.4 AS destination_scope,
    best.1 AS period,
    best.2 AS jitter,
    best.3 AS checkins,
    best.4 AS detected_by,
    latest.2 AS cmdline,
    first_seen,
    last_seen,
    first_received,
    pair_hosts,
    pathname_hosts,
    if(destination = '', NULL, destination_hosts) AS destination_hosts,
    reporting_hosts,
    pathname_key,
    destination,
    destinationport,
    reporters
FROM
(
    SELECT
        *,
        (
            SELECT uniqExact(host)
            FROM beacon_reports
            WHERE last_received >= now('UTC') - toIntervalDay({days:UInt16})
        ) AS reporting_hosts,
        -- ln(1) is 0: a fleet of one has nothing to be rare in.
        ln(greatest(reporting_hosts, 2)) AS ln_all,
        greatest(0, 1 - ln(greatest(pathname_hosts, 1)) / ln_all) AS pathname_rareness,
        if(
            destination = '',
            pathname_rareness,
            greatest(0, 1 - ln(destination_hosts) / ln_all)
        ) AS destination_rareness
    FROM
    (
        -- One pass over the pairs, in place of a join with each of the views above.
        SELECT
            *,
            countIf(beacons) OVER (PARTITION BY pathname_key, destination, destinationport)
                AS pair_hosts,
            uniqExactIf(host, beacons) OVER (PARTITION BY pathname_key) AS pathname_hosts,
            uniqExact(host) OVER (PARTITION BY destination, destinationport) AS destination_hosts
        FROM beacon_host_pairs(days = {days:UInt16})
    )
    WHERE beacons AND latest.5 = '' AND pair_hosts <= {max_hosts:UInt32}
);
