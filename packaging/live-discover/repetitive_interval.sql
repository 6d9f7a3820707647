/*
Name         Repetitive intervals within an hour
Finds        processes that in some clock hour (UTC) connected to one public address at nearly always the same
             interval, to the second
Variables    Hours to check           | String | 24
             Time delta threshold     | String | 10
             Total events threshold   | String | 15
             Percent beacon threshold | String | 95
             Process path             | String | %
Idea         Microsoft Sentinel's hunt for beaconing by intra-request time deltas, computed for each process and
             destination. Only intervals above the first threshold (seconds) count, an hour needs more of them
             than the second, and the most frequent has to make up more than the third (percent).
*/
SELECT
    pathname,
    sophosPID,
    tuple,
    destination,
    destinationport,
    number_of_connections,
    most_frequent_interval,
    most_frequent_interval_count,
    beacon_percent,
    beacon_hours,
    datetime(first_seen, 'unixepoch') AS first_connection,
    datetime(last_seen, 'unixepoch') AS last_connection
FROM beacon_candidates
WHERE group_by = 'process'
  AND hours = $$Hours to check$$
  AND time_delta_threshold = $$Time delta threshold$$
  AND total_events_threshold = $$Total events threshold$$
  AND percent_beacon_threshold = $$Percent beacon threshold$$
  AND row_limit = 10000
  AND pathname LIKE '$$Process path$$'
  AND detected_by LIKE '%repetitive_interval%'
ORDER BY beacon_percent DESC, beacon_hours DESC
