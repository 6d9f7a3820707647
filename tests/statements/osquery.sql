-- More of osquery's tables, besides those in ../peer/osquery.sql, with the columns that statements in
-- documents and packaging name (https://osquery.io/schema/), on a host that has what the sample has.
ALTER TABLE processes ADD COLUMN parent BIGINT;
ALTER TABLE processes ADD COLUMN on_disk INTEGER;
INSERT INTO processes VALUES (1, 'services', '/sbin/services', '', 0, 0, 1);
INSERT INTO processes SELECT DISTINCT pid, '', pathname, cmdline, first_seen, 1, 1 FROM beacon_candidates;
CREATE TABLE hash AS SELECT pathname AS path, 'e3b0c442' AS sha256 FROM beacon_candidates;
CREATE TABLE listening_ports AS SELECT 1 AS pid, 443 AS port, '0.0.0.0' AS address;
CREATE TABLE osquery_extensions AS SELECT 'beacon_candidates' AS name, 7 AS uuid;
INSERT INTO osquery_registry (registry, name) VALUES ('table', 'beacon_candidates');
INSERT INTO osquery_flags (name, value) VALUES ('disable_audit', 'false');
CREATE TABLE osquery_packs AS SELECT 'beacon_candidates' AS name, 1 AS active;
CREATE TABLE osquery_schedule AS
    SELECT 'pack_beacon_candidates_beacons' AS name, 6 AS executions, 1 AS wall_time, 1 AS user_time,
           1 AS system_time, 1 AS average_memory, 0 AS denylisted;
CREATE TABLE system_info AS SELECT '4c4c4544-0042-3510-8056-c4c04f4e3332' AS uuid, 'laptop' AS hostname;
INSERT INTO socket_events (action, pid, path, remote_address, remote_port, time)
    VALUES ('connect', 1, '/sbin/services', '192.0.2.1', 443, 1777881600);
CREATE TABLE sophos_process_activity (time BIGINT, subject TEXT);
INSERT INTO sophos_process_activity VALUES (strftime('%s', 'now'), 'Network');
