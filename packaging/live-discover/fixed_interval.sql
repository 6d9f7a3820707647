/*
Name         Recurring beacons on a fixed interval
Finds        destinations that were connected to again and again, whatever the process, where the longest
             interval between two connections is less than 10 seconds above the shortest
Variables    Hours to check | String | 24
Idea         Sophos community, "Detecting a recurring beacon/call-home process". Its list of known software is
             here the suppression rules: AND include_suppressed = 1 shows what they hide.
*/
SELECT
    pathname,
    sophosPID,
    tuple,
    destination,
    destinationport,
    number_of_connections,
    min_interval,
    max_interval,
    average_interval,
    sum_interval,
    datetime(first_seen, 'unixepoch') AS first_connection,
    datetime(last_seen, 'unixepoch') AS last_connection
FROM beacon_candidates
WHERE group_by = 'tuple'
  AND hours = $$Hours to check$$
  AND row_limit = 10000
  AND min_average_interval = 0
  AND detected_by LIKE '%fixed_interval%'
ORDER BY number_of_connections DESC
