/*
Name         Periodic check-ins, also with jitter and gaps
Finds        processes that keep a period towards one destination: with jitter, missed check-ins, bursts of work
             and a laptop's sleep
Variables    Hours to check | String | 24
             Minimum score  | String | 0.33
             Process path   | String | %
Idea         beacon_candidates: intervals folded by a period, scored against chance. The detector begins at
             0.33, and 0.9 is clockwork.
*/
SELECT
    beacon_score,
    period,
    jitter,
    checkins,
    missed_checkins,
    pathname,
    sophosPID,
    cmdline,
    tuple,
    destination,
    destinationport,
    domain,
    number_of_connections,
    bytes_sent,
    bytes_received,
    datetime(first_seen, 'unixepoch') AS first_connection,
    datetime(last_seen, 'unixepoch') AS last_connection,
    sparkline
FROM beacon_candidates
WHERE group_by = 'process'
  AND hours = $$Hours to check$$
  AND row_limit = 10000
  AND pathname LIKE '$$Process path$$'
  AND detected_by LIKE '%periodic%'
  AND beacon_score >= $$Minimum score$$
ORDER BY beacon_score DESC
