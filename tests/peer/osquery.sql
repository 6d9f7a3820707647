-- The tables of osquery's that are collected from, with the columns that matter here
-- (https://osquery.io/schema/), in an osquery on Linux that records nothing yet.
CREATE TABLE osquery_flags (name TEXT, type TEXT, description TEXT, default_value TEXT, value TEXT);
CREATE TABLE osquery_events (name TEXT, publisher TEXT, type TEXT, subscriptions INTEGER,
    events INTEGER, refreshes INTEGER, active INTEGER);
CREATE TABLE osquery_registry (registry TEXT, name TEXT, owner_uuid INTEGER, internal INTEGER,
    active INTEGER);
CREATE TABLE socket_events (action TEXT, pid BIGINT, path TEXT, fd TEXT, auid BIGINT, status TEXT,
    family INTEGER, protocol INTEGER, local_address TEXT, remote_address TEXT, local_port INTEGER,
    remote_port INTEGER, socket TEXT, time BIGINT, uptime BIGINT, eid TEXT, success INTEGER);
CREATE INDEX socket_events_time ON socket_events (time);
CREATE TABLE bpf_socket_events (tid BIGINT, pid BIGINT, parent BIGINT, exit_code TEXT,
    probe_error INTEGER, syscall TEXT, path TEXT, fd TEXT, family INTEGER, type INTEGER,
    protocol INTEGER, local_address TEXT, remote_address TEXT, local_port INTEGER,
    remote_port INTEGER, time BIGINT, ntime TEXT, eid TEXT);
CREATE TABLE process_events (pid BIGINT, path TEXT, cmdline TEXT, time BIGINT, eid TEXT);
CREATE TABLE bpf_process_events (pid BIGINT, path TEXT, cmdline TEXT, time BIGINT, eid TEXT);
CREATE TABLE processes (pid BIGINT, name TEXT, path TEXT, cmdline TEXT, start_time BIGINT);
CREATE TABLE process_open_sockets (pid INTEGER, fd BIGINT, socket BIGINT, family INTEGER,
    protocol INTEGER, local_address TEXT, remote_address TEXT, local_port INTEGER,
    remote_port INTEGER, path TEXT, state TEXT, net_namespace TEXT);
CREATE TABLE windows_events (time BIGINT, datetime TEXT, source TEXT, provider_name TEXT,
    eventid INTEGER, data TEXT, eid TEXT);
INSERT INTO osquery_flags (name, value) VALUES ('disable_events', 'false'),
    ('events_expiry', '3600'), ('windows_event_channels', 'System,Application,Setup,Security');
INSERT INTO osquery_registry (registry, name) SELECT 'table', name FROM sqlite_schema WHERE type = 'table';
INSERT INTO osquery_events (name, publisher, type, active) VALUES
    ('auditeventpublisher', 'auditeventpublisher', 'publisher', 0),
    ('BPFEventPublisher', 'BPFEventPublisher', 'publisher', 0),
    ('windows_event_log_publisher', 'windows_event_log_publisher', 'publisher', 0),
    ('socket_events', 'auditeventpublisher', 'subscriber', 1),
    ('process_events', 'auditeventpublisher', 'subscriber', 1),
    ('bpf_socket_events', 'BPFEventPublisher', 'subscriber', 1),
    ('windows_events', 'windows_event_log_publisher', 'subscriber', 1);
