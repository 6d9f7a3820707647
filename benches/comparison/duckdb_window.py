"""Six statistics of every group by DuckDB; prints the median of the runs in seconds."""

import statistics
import sys
import time

import duckdb

path, runs = sys.argv[1], int(sys.argv[2])
database = duckdb.connect()
database.execute("SET enable_progress_bar = false")  # it would be printed among the figures
database.execute("CREATE TABLE raw AS SELECT * FROM read_csv(?, all_varchar = true)", [path])
# Texts that repeat as numbers: the fastest that it has for a key.
database.execute("CREATE TYPE pathname AS ENUM (SELECT DISTINCT pathname FROM raw)")
database.execute("CREATE TYPE destination AS ENUM (SELECT DISTINCT destination FROM raw)")
database.execute(
    "CREATE TABLE connection AS SELECT t::BIGINT AS t, pathname::pathname AS pathname,"
    " destination::destination AS destination, port::USMALLINT AS port FROM raw"
)
database.execute("DROP TABLE raw")

WINDOW = """
SELECT sum(connections), sum(shortest), sum(longest), sum(average), sum(middle), sum(deviation)
FROM (SELECT count(*) AS connections, min(spacing) AS shortest, max(spacing) AS longest,
             avg(spacing) AS average, median(spacing) AS middle,
             stddev_pop(spacing) AS deviation
      FROM (SELECT pathname, destination, port,
                   t - lag(t) OVER (PARTITION BY pathname, destination, port ORDER BY t) AS spacing
            FROM connection)
      GROUP BY pathname, destination, port)
"""


def run():
    started = time.perf_counter()
    database.execute(WINDOW).fetchall()
    return time.perf_counter() - started


run()
print(statistics.median(run() for _ in range(runs)))
