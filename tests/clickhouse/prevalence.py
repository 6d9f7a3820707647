#!/usr/bin/env python3
"""Prevalence in ClickHouse, on the engine itself (chdb runs it in this process).

Makes the journals of a small fleet, asks beacon_candidates of them, writes the answers as osquery
would log them, loads packaging/clickhouse/*.sql as they stand, inserts the lines, and compares what
the views say with what is counted here from the same rows.

    prevalence.py path/to/beacon_candidates

One line and status 0 if all is as it should be; a mismatch is an assertion that says which. It needs
chdb: run.sh sets it up.
"""

import json
import math
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

try:
    from chdb import session
except ImportError:
    print("chdb is not installed: use tests/clickhouse/run.sh", file=sys.stderr)
    sys.exit(2)

SCHEMA = Path(__file__).resolve().parents[2] / "packaging" / "clickhouse"
START = 1777881600  # 2026-05-04T08:00:00Z, where a simulation begins
HOUR = 3600
# Noon of yesterday: a line and its repeat must not fall on two sides of a midnight.
RECEIVED = int(time.time()) // 86400 * 86400 - 12 * HOUR
DAYS = 30
FEW = 3

TEXT = {
    "pathname", "sophosPID", "cmdline", "destination", "protocol", "domain", "destination_scope",
    "tuple", "destinations", "detected_by", "suppressed_by", "sparkline", "host",
}
TIMES = {"first_seen", "last_seen"}

# Each runs on two hosts. None may be changed, none may do anything but be counted.
HOSTILE = [
    "/opt/it's/\"quoted\"/`tick`",
    "/tmp/'); DROP TABLE osquery_results; --",
    "/tmp/line\nbreak\tand tab",
    "/srv/Größe/файл/信標/🛰️",
    "/srv/\u202egnp.exe",
    "/tmp/100%41%2F%",
    "/tmp/{days:UInt16}/$(id)/*",
    "/tmp/comma,semicolon;{\"a\":[1]}",
    "/" + "very-long/" * 300 + "end",
    "C:\\Users\\Ärger\\'\\x.exe",
]
# Looks like osquery's escaping, and is a real path: told from it only in a snapshot.
LOOKS_ESCAPED = "C:\\Tools\\xC3\\xA9.exe"


@dataclass
class Observation:
    """A row that some host was seen with, and who said so."""

    host: str
    reporter: str
    query: str
    observed_at: int
    days_ago: int
    row: dict

    def __getitem__(self, column):
        return self.row.get(column, "")

    @property
    def beacons(self):
        return self.row.get("detected_by", "not asked for") != ""

    def time(self, column):
        return int(self[column] or self.observed_at)


class Fleet:
    """What has been logged: the lines, and what they should come to."""

    def __init__(self):
        self.lines = []
        self.observations = []
        self.reporting = set()

    def line(self, host, when, query="pack_fleet_beacon_candidates", **rest):
        """A line as osquery's loggers write it."""
        line = {
            "name": query,
            "hostIdentifier": host,
            "calendarTime": time.strftime("%a %b %e %H:%M:%S %Y UTC", time.gmtime(when)),
            "unixTime": when,
            "epoch": 0,
            "counter": 1,
            "numerics": False,
            "decorations": {"host_uuid": "4c4c4544-0042-3510-8056-c4c04f4e3332"},
            **rest,
        }
        self.lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")))

    def sees(self, reporter, when, rows, query="pack_fleet_beacon_candidates", days_ago=0):
        for row in rows:
            host = row["host"] or reporter
            self.observations.append(Observation(host, reporter, query, when, days_ago, row))

    def reports(self, *hosts):
        self.reporting.update(hosts)


def run(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, check=True)
    return done.stdout.decode()


def ask(binary, cache, now, where=""):
    rows = json.loads(run(
        binary, "query", "--cache", cache, "--now", str(now), "--json",
        f"SELECT * FROM beacon_candidates WHERE row_limit = 100000 {where}",
    ))
    by_host = defaultdict(list)
    for row in rows:
        by_host[row["host"]].append(row)
    return by_host


def simulated(binary, folder, seed):
    """A cache of twelve hosts, each with a user of its own; every other one shouts its paths."""
    journal, cache = folder / f"{seed}.ndjson", folder / f"{seed}.sqlite"
    made = run(binary, "simulate", "--hosts", "12", "--hours", "6", "--seed", str(seed))
    with open(journal, "w") as out:
        for line in made.splitlines():
            event = json.loads(line)
            number = int(event["host"].rsplit("-", 1)[1])
            event["host"] = f"s{seed}-{event['host']}"
            path = event["pathname"].replace("\\jordan\\", f"\\user {seed}.{number}\\")
            event["pathname"] = path.upper() if number % 2 else path
            out.write(json.dumps(event) + "\n")
    run(binary, "import", "--cache", str(cache), str(journal))
    return str(cache)


def hostile(binary, folder):
    journal, cache = folder / "hostile.ndjson", folder / "hostile.sqlite"
    with open(journal, "w") as out:
        for number, pathname in enumerate([*HOSTILE, LOOKS_ESCAPED]):
            for host in ("evil-a", "evil-b"):
                for minute in range(60):
                    event = {
                        "time": START + 60 * minute, "host": host, "pid": 7, "pathname": pathname,
                        "destination": f"198.51.100.{number}", "destinationport": 443,
                    }
                    out.write(json.dumps(event) + "\n")
    run(binary, "import", "--cache", str(cache), str(journal))
    return str(cache)


def on_the_endpoint(rows):
    """Rows as the host itself would log them: it is '' to itself."""
    return [{**row, "host": ""} for row in rows]


def as_numbers(row):
    """With --logger_numerics: numbers where there is one."""
    def number(name, value):
        if name in TEXT or value == "":
            return value
        return float(value) if "." in value else int(value)

    return {name: number(name, value) for name, value in row.items()}


def escaped(row, keep_utf8):
    """How osquery writes values in differential lines: control characters, and in older versions all
    that is not ASCII, byte by byte."""
    def escape(text):
        return "".join(
            character
            if " " <= character < "\x80" or (keep_utf8 and character >= "\x80")
            else "".join(f"\\x{byte:02X}" for byte in character.encode())
            for character in text
        )

    return {name: escape(value) for name, value in row.items()}


def log_snapshots(fleet, cache, binary):
    """An endpoint each, a snapshot at two times of the day."""
    for now in (START + 4 * HOUR, START + 6 * HOUR):
        for number, (host, rows) in enumerate(ask(binary, cache, now).items()):
            rows = on_the_endpoint(rows)
            numbers = number % 2 == 1
            written = [as_numbers(row) for row in rows] if numbers else rows
            fleet.line(host, now, snapshot=written, action="snapshot", numerics=numbers)
            fleet.sees(host, now, rows)
            fleet.reports(host)
    # Of another query: what changes its addresses has no destination.
    query = "pack_fleet_beacon_rotating"
    for host, rows in ask(binary, cache, now, "AND group_by = 'process_port'").items():
        rows = [row for row in on_the_endpoint(rows) if int(row["destination_count"]) > 1]
        fleet.line(host, now, query, snapshot=rows, action="snapshot")
        fleet.sees(host, now, rows, query)


def log_differentials(fleet, cache, binary):
    """The same as changes since the last run, as events or as a batch."""
    before = {}
    for now in (START + 4 * HOUR, START + 6 * HOUR):
        for number, (host, rows) in enumerate(sorted(ask(binary, cache, now).items())):
            rows = on_the_endpoint(rows)
            removed = [row for row in before.get(host, []) if row not in rows]
            added = [row for row in rows if row not in before.get(host, [])]
            before[host] = rows
            written = {
                "removed": [escaped(row, number % 2) for row in removed],
                "added": [escaped(row, number % 2) for row in added],
            }
            if number % 3 == 0:
                fleet.line(host, now, diffResults=written)
            else:
                for action, changed in written.items():
                    for row in changed:
                        fleet.line(host, now, columns=row, action=action)
            fleet.sees(host, now, added)
            fleet.reports(host)
    # What was only ever removed was never seen; its host reports all the same.
    row = {**rows[0], "pathname": "/only/removed", "destination": "192.0.2.250"}
    fleet.line("only-removed", now, columns=row, action="removed")
    fleet.line("only-removed", now, diffResults={"added": [], "removed": [row]})
    fleet.reports("only-removed")


def log_sensor(fleet, cache, binary):
    """A sensor that knows all hosts, and shows what no detector named and what rules hide."""
    now = START + 6 * HOUR
    everything = ask(binary, cache, now, "AND include_all = 1 AND include_suppressed = 1")
    for number, (host, rows) in enumerate(everything.items()):
        if number % 2:
            fleet.line("sensor", now, snapshot=rows, action="snapshot")
        else:
            for row in rows:  # --logger_snapshot_event_type
                fleet.line("sensor", now, columns=row, action="snapshot")
        fleet.sees("sensor", now, rows)
        fleet.reports(host)


def log_hostile(fleet, cache, binary):
    now = START + HOUR
    found = ask(binary, cache, now)
    paths = {row["pathname"] for row in found["evil-a"]}
    assert paths == {*HOSTILE, LOOKS_ESCAPED}, paths
    for reporter, host in (("o'host \"quoted\" \\ ü", "evil-a"), ("evil-b", "evil-b")):
        rows = on_the_endpoint(found[host])
        plain = [row for row in rows if row["pathname"] != LOOKS_ESCAPED]
        if host == "evil-a":
            fleet.line(reporter, now, snapshot=rows, action="snapshot")
        else:
            # Of two versions of osquery.
            for keep_utf8, changed in ((False, plain[::2]), (True, plain[1::2])):
                for row in changed:
                    fleet.line(host, now, columns=escaped(row, keep_utf8), action="added")
            rows = plain
        fleet.sees(reporter, now, rows)
        fleet.reports(reporter)


def log_few_columns(fleet):
    """Queries that select the least, of which one is an old version's: its numbers are text."""
    now = START + 2 * HOUR
    lone = {"pathname": "/lone", "destination": "192.0.2.66", "destinationport": "4444"}
    timer = {**lone, "beacon_score": "0.9"}
    fleet.line("lone", now, "timers", unixTime=str(now), epoch="0", snapshot=[timer], action="snapshot")
    # No detector named this one, and it talks to the same place: that is less rare.
    talks = {**lone, "pathname": "/talker", "detected_by": "", "beacon_score": "0.1"}
    fleet.line("talker", now, "timers", columns=talks, action="added")
    for host, row in (("lone", timer), ("talker", talks)):
        fleet.sees(host, now, [{**row, "tuple": "192.0.2.66::4444", "host": ""}], "timers")
        fleet.reports(host)


def log_what_is_not_a_candidate(fleet):
    now = START + 5 * HOUR
    for host in ("quiet-1", "quiet-2"):
        fleet.line(host, now, snapshot=[], action="snapshot")
        fleet.reports(host)
    # As old versions write it: no list, and numbers as text.
    fleet.lines.append(json.dumps({
        "snapshot": "", "action": "snapshot", "name": "beacons", "hostIdentifier": "quiet-3",
        "unixTime": str(now), "epoch": "0", "counter": "0",
    }))
    fleet.line("quiet-4", now, "beacon_status", snapshot=[{"source": "cache"}], action="snapshot")
    fleet.reports("quiet-3", "quiet-4")
    # Of other queries, and no lines of osquery at all.
    fleet.line("other", now, "processes", columns={"pid": "1", "path": "/x"}, action="added")
    fleet.line("other", now, "sockets", snapshot=[{"destination": "192.0.2.1"}], action="snapshot")
    fleet.line("", now, snapshot=[{"destination": "192.0.2.1", "beacon_score": "1"}])
    fleet.lines += ["", "{", "not JSON", "[]", "null", '"text"', '{"snapshot":[1,"x",null,[]]}']
    fleet.lines.append(fleet.lines[0][:-40])


def log_long_ago(fleet, seen):
    """Received before the window of the questions: on hosts that are gone, one of which only talked to
    what others have a beacon to, and the beginnings of what is still seen."""
    then = START - 40 * 24 * HOUR
    gone = {**seen.row, "pathname": "/long/ago", "destination": "192.0.2.251"}
    began = {**seen.row, "first_seen": str(then - 60), "last_seen": str(then)}
    talked = {**seen.row, "pathname": "/talked", "detected_by": ""}
    old = Fleet()
    for host, row in (("old-host", gone), ("old-talker", talked), (seen.host, began)):
        old.line(host, then, snapshot=[row], action="snapshot")
        fleet.sees(host, then, [row], days_ago=DAYS + 10)
    return old.lines


def pathname_key(path):
    """What a pathname is counted under, by its parts."""
    windows = "\\" in path or re.match(r"[A-Za-z]:", path)
    if windows:
        parts = path.replace("/", "\\").lower().split("\\")
        named = ("public", "default", "default user", "all users")
        if len(parts) > 3 and parts[1] in ("users", "documents and settings") and parts[2] not in named:
            parts[2] = "*"
    else:
        parts = path.split("/")
        if len(parts) > 3 and parts[1] in ("home", "Users") and parts[2] != "Shared":
            parts[2] = "*"
    last = len(parts) - 1
    for index, part in enumerate(parts):
        parts[index] = re.sub(r"\d+(\.\d+){2,}(-\d+)?", "*", part)
        if index < last and re.fullmatch("[0-9]+", part):
            parts[index] = "*"
    return ("\\" if windows else "/").join(parts)


class Expected:
    """What the views should say, counted from the observations."""

    def __init__(self, fleet, days=DAYS):
        pairs = defaultdict(list)
        for o in fleet.observations:
            path = pathname_key(o["pathname"])
            pairs[o.host, path, o["destination"], int(o["destinationport"])].append(o)

        def seen(o):
            return o.days_ago <= days

        # By host, pathname, destination and port: what was seen of it, ever.
        self.talking = {key: all_of for key, all_of in pairs.items() if any(map(seen, all_of))}
        self.beaconing = {
            key: all_of
            for key, all_of in self.talking.items()
            if any(seen(o) and o.beacons for o in all_of)
        }
        self.reporting = len(fleet.reporting | {key[0] for key in self.talking})

    @staticmethod
    def hosts(pairs, *parts):
        """The hosts of each value of these parts of the key."""
        hosts = defaultdict(set)
        for key in pairs:
            hosts[tuple(key[part] for part in parts)].add(key[0])
        return hosts

    def common(self, *parts):
        groups = defaultdict(list)
        for key, all_of in self.beaconing.items():
            groups[tuple(key[part] for part in parts)] += all_of
        hosts = self.hosts(self.beaconing, *parts)
        return {
            value: {
                "hosts": len(hosts[value]),
                "reporting_hosts": self.reporting,
                "share": len(hosts[value]) / self.reporting,
                "first_seen": min(o.time("first_seen") for o in group),
                "last_seen": max(o.time("last_seen") for o in group),
                "best_score": max(float(o["beacon_score"]) for o in group),
                "reporters": len({o.reporter for o in group}),
            }
            for value, group in groups.items()
        }

    def by_pathname(self):
        places = defaultdict(set)
        for _, path, destination, port in self.beaconing:
            if destination:
                places[path].add((destination, port))
        return {
            path: {**columns, "destinations": len(places[path])}
            for (path,), columns in self.common(1).items()
        }

    def by_destination(self):
        talking = self.hosts(self.talking, 2, 3)
        return {
            value: {
                **columns,
                "talking_hosts": len(talking[value]),
                "pathnames": len({key[1] for key in self.beaconing if key[2:] == value}),
            }
            for value, columns in self.common(2, 3).items()
            if value[0]
        }

    def by_pair(self):
        return {value: columns for value, columns in self.common(1, 2, 3).items() if value[1]}

    def rare(self, few):
        of_pair = self.hosts(self.beaconing, 1, 2, 3)
        of_path = self.hosts(self.beaconing, 1)
        of_destination = self.hosts(self.talking, 2, 3)

        def rareness(hosts):
            return max(0, 1 - math.log(hosts) / math.log(self.reporting))

        rare = {}
        for key, all_of in self.beaconing.items():
            pair_hosts, path_hosts = len(of_pair[key[1:]]), len(of_path[key[1:2]])
            latest = max(all_of, key=lambda o: o.observed_at)
            if latest["suppressed_by"] or pair_hosts > few:
                continue
            destination_hosts = len(of_destination[key[2:]]) if key[2] else None
            best = max(float(o["beacon_score"]) for o in all_of)
            rarenesses = rareness(path_hosts) + rareness(destination_hosts or path_hosts)
            rare[key] = {
                "oddness": best * rarenesses / 2,
                "best_score": best,
                "pathname": latest["pathname"],
                "pair_hosts": pair_hosts,
                "pathname_hosts": path_hosts,
                "destination_hosts": destination_hosts,
                "reporting_hosts": self.reporting,
            }
        return rare


class Engine:
    def __init__(self, folder):
        self.folder = folder
        self.session = session.Session(str(folder / "engine"))

    def run(self, statement):
        return str(self.session.query(statement, "TSV"))

    def rows(self, statement):
        answer = str(self.session.query(statement, "JSONEachRow"))
        return [json.loads(line) for line in answer.splitlines()]

    def value(self, statement):
        return self.run(statement).strip()

    def insert(self, lines, received):
        path = self.folder / "lines"
        path.write_text("".join(line + "\n" for line in lines))
        self.run(
            f"INSERT INTO osquery_results (received_at, line) SELECT {received}, line "
            f"FROM file('{path}', LineAsString, 'line String')"
        )

    def insert_as_a_shipper(self, lines):
        """With JSONEachRow, and received_at by default."""
        path = self.folder / "shipped"
        path.write_text("".join(json.dumps({"line": line}) + "\n" for line in lines))
        self.run(
            "INSERT INTO osquery_results (line) "
            f"SELECT line FROM file('{path}', JSONEachRow, 'line String')"
        )


def compare(what, key, rows, expected):
    found = {key(row): row for row in rows}
    assert len(found) == len(rows), f"{what}: a key is there twice"
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    assert not missing and not extra, f"{what}: missing {list(missing)[:5]}, extra {list(extra)[:5]}"
    for name, columns in expected.items():
        for column, value in columns.items():
            got = found[name][column]
            same = got == value
            if isinstance(value, (int, float)):
                same = got is not None and math.isclose(float(got), value, abs_tol=1e-9)
            assert same, f"{what} {name}: {column} is {got!r}, not {value!r}"


def unix(*columns):
    return ", ".join(f"toUnixTimestamp({column}) AS {column}" for column in columns)


def check_views(engine, expected, days):
    def pathname(row):
        return row["pathname_key"]

    def destination(row):
        return (row["destination"], row["destinationport"])

    def pair(row):
        return (pathname(row), *destination(row))

    for what, key, counted in (
        ("pathname", pathname, expected.by_pathname()),
        ("destination", destination, expected.by_destination()),
        ("pair", pair, expected.by_pair()),
    ):
        rows = engine.rows(
            f"SELECT * REPLACE ({unix('first_seen', 'last_seen')}) "
            f"FROM beacon_prevalence_by_{what}(days = {days})"
        )
        compare(f"by {what}", key, rows, counted)
    for few in (1, FEW, 1000):
        rare = engine.rows(f"SELECT * FROM beacon_rare(days = {days}, max_hosts = {few})")
        compare(
            f"rare, at most {few}", lambda row: (row["host"], *pair(row)), rare, expected.rare(few)
        )
    return len(expected.by_pair())


def check_rows(engine, fleet):
    """Every value of every row has arrived, in its type, '' as NULL where it is a number."""
    columns = {row["name"]: row["type"] for row in engine.rows("DESCRIBE TABLE beacon_observations")}
    wanted = {name for o in fleet.observations for name in o.row}
    assert wanted <= columns.keys(), wanted - columns.keys()
    stored = engine.rows(
        f"SELECT * REPLACE ({unix('observed_at', 'first_seen', 'last_seen')}) "
        "FROM beacon_observations FINAL"
    )

    def typed(name, value):
        if name in TEXT:
            return value
        if value == "":
            return None
        return round(float(value), 6)

    def identity(host, reporter, when, row):
        values = tuple(
            (name, typed(name, "" if row.get(name) is None else str(row[name])))
            for name in sorted(wanted - {"host"})
        )
        return (host, reporter, when, values)

    found = sorted(map(repr, (
        identity(row["host"], row["reporter"], int(row["observed_at"]), row) for row in stored
    )))
    expected = sorted(map(repr, {
        identity(o.host, o.reporter, o.observed_at, o.row) for o in fleet.observations
    }))
    assert len(found) == len(expected), f"{len(found)} rows, not {len(expected)}"
    for got, wanted_row in zip(found, expected):
        assert got == wanted_row, f"stored {got}\nexpected {wanted_row}"


def check_odd_one_out(engine, fleet):
    """A lone timer to a place of its own is first, though the fleet's agent keeps time as well."""
    first = engine.rows(
        f"SELECT host, pathname, oddness FROM beacon_rare(days = {DAYS}, max_hosts = {FEW}) "
        "ORDER BY oddness DESC, host LIMIT 1"
    )[0]
    best = max(Expected(fleet).rare(FEW).values(), key=lambda row: row["oddness"])
    assert math.isclose(first["oddness"], best["oddness"]), (first, best)
    common = engine.value(
        f"SELECT count() FROM beacon_rare(days = {DAYS}, max_hosts = {FEW}) "
        "WHERE pathname ILIKE '%contoso rmm%'"
    )
    assert common == "0", "the management agent of every host is rare"


def check_keys(engine):
    """Spellings of one program have one key."""
    for path, key in [
        (r"C:\Users\Jo Ann\AppData\Local\Temp\a.exe", r"c:\users\*\appdata\local\temp\a.exe"),
        (r"c:/users/bob/AppData/Local/Temp/A.EXE", r"c:\users\*\appdata\local\temp\a.exe"),
        (r"\\?\C:\Users\bob\a.exe", r"c:\users\*\a.exe"),
        (r"\??\C:\Users\bob\a.exe", r"c:\users\*\a.exe"),
        (r"\Device\HarddiskVolume3\Users\bob\a.exe", r"\device\harddiskvolume*\users\*\a.exe"),
        (r"D:\Documents and Settings\bob\a.exe", r"d:\documents and settings\*\a.exe"),
        (r"C:\Users\Public\a.exe", r"c:\users\public\a.exe"),
        (r"C:\Users\bob\Users\Public\a.exe", r"c:\users\*\users\public\a.exe"),
        (r"C:\Users\a.exe", r"c:\users\a.exe"),
        (r"C:\Users\bob\Teams\app-4.39.95\T.exe", r"c:\users\*\teams\app-*\t.exe"),
        (r"C:\P\{0F1E2D3C-0000-1111-2222-0123456789ab}\4.18.24090.11-0\a.exe", r"c:\p\*\*\a.exe"),
        ("/home/jo/.cache/a", "/home/*/.cache/a"),
        ("/home/JO/.cache/A", "/home/*/.cache/A"),
        ("/root/a", "/root/a"),
        ("/Users/jo/Library/a", "/Users/*/Library/a"),
        ("/Users/Shared/a", "/Users/Shared/a"),
        ("/private/var/folders/x1/abc_9/T/a", "/var/folders/*/*/T/a"),
        ("/snap/firefox/4848/usr/lib/firefox/firefox", "/snap/firefox/*/usr/lib/firefox/firefox"),
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("/tmp/1234", "/tmp/1234"),
        ("", ""),
    ]:
        quoted = path.replace("\\", "\\\\")
        got = engine.rows(f"SELECT beacon_pathname_key('{quoted}') AS key")[0]["key"]
        assert got == key, f"{path}: {got}, not {key}"


def statements_for_people():
    """Those of README.md, and in the comments of the views."""
    readme = (SCHEMA / "README.md").read_text()
    blocks = re.findall(r"```(\w+)\n(.*?)```", readme, re.DOTALL)
    statements = re.findall(r"^--   (SELECT .*);$", (SCHEMA / "views.sql").read_text(), re.MULTILINE)
    in_comments = len(statements)
    for language, block in blocks:
        if language == "sql":
            code = re.sub(r"^--.*\n", "", block, flags=re.MULTILINE)
            statements += filter(None, map(str.strip, code.split(";\n")))
        elif language == "console":
            words = shlex.split(block)
            statements += [words[at + 1] for at, word in enumerate(words) if word == "--query"]
    prose = re.sub(r"```.*?```", "", readme, flags=re.DOTALL)
    statements += re.findall(r"`((?:SELECT|INSERT) [^`]*)`", prose)
    # What osquery is asked is JSON, and another test's.
    of_osquery = sum(block.count("SELECT") for language, block in blocks if language == "json")
    found = sum(statement.count("SELECT") for statement in statements[in_comments:])
    assert found == readme.count("SELECT") - of_osquery, "a statement is overlooked"
    return statements


def check_statements(engine):
    """Questions can be asked; what else is said in SQL can at least be read."""
    for statement in statements_for_people():
        if statement.startswith("SELECT"):
            engine.rows(statement)
        else:
            quoted = statement.replace("\\", "\\\\").replace("'", "\\'")
            engine.run(f"SELECT formatQuery('{quoted}')")


def check_another_key(engine):
    """What README.md says of changing how pathnames are counted, without a change."""
    def counted():
        # last_received is of the last repeat of a line, of which the observations keep the first.
        return engine.rows(
            "SELECT * EXCEPT (last_received) FROM beacon_host_pairs(days = 90) ORDER BY ALL"
        )

    before = counted()
    readme = (SCHEMA / "README.md").read_text()
    recipe = re.search(r"```sql\n(DROP VIEW.*?)-- Load.*?\n(.*?)```", readme, re.DOTALL)
    engine.run(recipe[1])
    engine.run((SCHEMA / "schema.sql").read_text())
    engine.run(recipe[2])
    assert counted() == before, "the pairs are not what they were"
    engine.run(
        "INSERT INTO osquery_results (received_at, line) SELECT received_at, line FROM osquery_results"
    )
    assert counted() == before, "to fill everything again has changed something"


def check_garbage(engine, fleet):
    """No line can stop an insert: what the view fails on would be lost with all of its batch."""
    chance = random.Random(1)
    path = engine.folder / "garbage"
    with open(path, "wb") as out:
        for line in chance.choices(fleet.lines, k=400):
            line = bytearray(line.encode()[:4000])
            for _ in range(min(len(line), chance.randrange(1, 20))):
                line[chance.randrange(len(line))] = chance.choice(b'"{}[],:\\0-9e.x\x00\x7f\x80\xff%\t')
            out.write(line.replace(b"\n", b"") + b"\n")
    engine.run(
        "INSERT INTO osquery_results (line) "
        f"SELECT line FROM file('{path}', LineAsString, 'line String')"
    )
    # Nor can a score that is none be the highest.
    for score in ("nan", "inf", "1e300", "-1", "2", "x"):
        liar = {"pathname": "/liar", "destination": "192.0.2.99", "beacon_score": score}
        fleet.line("liar", START, snapshot=[liar], action="snapshot")
    engine.insert(fleet.lines[-6:], RECEIVED)
    found = engine.rows("SELECT DISTINCT beacon_score FROM beacon_observations WHERE host = 'liar'")
    assert found == [{"beacon_score": None}], found


def main(binary):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fleet = Fleet()
        caches = [simulated(binary, folder, seed) for seed in (1, 2, 3)]
        log_snapshots(fleet, caches[0], binary)
        log_differentials(fleet, caches[1], binary)
        log_sensor(fleet, caches[2], binary)
        log_hostile(fleet, hostile(binary, folder), binary)
        log_few_columns(fleet)
        log_what_is_not_a_candidate(fleet)

        engine = Engine(folder)
        for part in ("schema.sql", "views.sql"):
            engine.run((SCHEMA / part).read_text())
        check_keys(engine)

        engine.insert(fleet.lines, RECEIVED)
        pairs = check_views(engine, Expected(fleet), DAYS)
        once = int(engine.value("SELECT count() FROM beacon_observations"))

        # All of it again: the same batch, then an hour later in another order, then by a shipper.
        engine.insert(fleet.lines, RECEIVED)
        engine.insert(fleet.lines[::-1], RECEIVED + HOUR)
        engine.insert_as_a_shipper(fleet.lines[:20])
        twice = int(engine.value("SELECT count() FROM beacon_observations"))
        assert twice > once, "nothing was delivered twice"
        check_views(engine, Expected(fleet), DAYS)

        old_lines = log_long_ago(fleet, fleet.observations[0])
        engine.insert(old_lines, RECEIVED - (DAYS + 10) * 24 * HOUR)
        check_views(engine, Expected(fleet), DAYS)
        check_views(engine, Expected(fleet, DAYS + 20), DAYS + 20)
        check_rows(engine, fleet)
        check_odd_one_out(engine, fleet)

        # And nothing depends on whether it has merged.
        engine.run("OPTIMIZE TABLE beacon_observations FINAL")
        engine.run("OPTIMIZE TABLE beacon_pairs FINAL")
        engine.run("OPTIMIZE TABLE beacon_reports FINAL")
        check_views(engine, Expected(fleet), DAYS)
        check_statements(engine)
        check_another_key(engine)
        lines = len(fleet.lines)
        check_garbage(engine, fleet)
        print(
            f"prevalence: {lines} lines delivered three times, {once} observations, "
            f"{pairs} pairs of {len(fleet.reporting)} hosts: all as counted"
        )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    main(sys.argv[1])
