"""The benchmarks run, and every figure that is promised has a ratio; what it is, no test asserts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import servers

ROOT = Path(__file__).parents[2]
RUN = ROOT / "benchmarks" / "run.py"
RESULTS = RUN.with_name("results.json")

sys.path.insert(0, str(RUN.parent))
try:
    from harness import figure, percentile, table
finally:
    sys.path.remove(str(RUN.parent))

PEERS = ["csv-diff, keyed", "daff, keyed", "datacompy on Polars, keyed", "DuckDB, EXCEPT ALL"]
FLOOR = "csv.reader over both files (floor)"
SMALL = "diff: 500 rows, 1 % updated"
UPDATED = "diff: 10,000 rows, 1 % updated"
WHOLE = "diff: 10,000 rows, csv_diff of a one-row edit"
EDITS = [
    "identical rewrite",
    "one row updated",
    "a row inserted at the top",
    "100 rows updated, scattered",
    "1 % appended",
    "1 % updated, scattered",
    "1 % deleted, scattered",
    "all rows in another order",
    "one row updated, by key",
    "a row inserted at the top, by key",
    "1 % appended, by key",
    "1 % updated, scattered, by key",
    "1 % updated, scattered, once more in one process",
    "the new file read and digested",
]
VERSIONS = "archive: 4 versions of 20,000 rows, 20 updated each"
MANY = "watching: 2,000 files"
#: The kind of each server, in tests/servers.py, and the bare driver.
DATABASES = {"SQLite": (None, "sqlite3"), "PostgreSQL": ("postgresql", "psycopg"), "MariaDB": ("mariadb", "PyMySQL")}
PROMISED = {
    "checks": [
        f"checks: 20,000 rows, {what} | {peer}"
        for about, peer in (
            ("a schema, 1 % changed", "all rows"),
            ("an SQL rule", "DuckDB by hand"),
            ("a schema", "pandera on Polars"),
            ("a schema", "frictionless"),
        )
        for what in (about, f"{about}, peak memory")
    ],
    "watching": [
        f"{MANY}, one scan | scandir and stat of all",
        f"{MANY}, one scan | watchdog's polling snapshot",
        f"{MANY}, one scan | 2 s",
        f"{MANY}, csv_watch --once, whole command | a process that stats all",
        f"{MANY}, idle CPU of one core | 2 %",
        f"{MANY}, peak memory | 500 MB",
        *(f"{MANY}, close to stdout by event, {p} (settle 0.1 s) | settle + 200 ms" for p in ("p50", "p95")),
        *(f"{MANY}, close to stdout by scan, {p} (settle 0.1 s) | settle + interval (1 s)" for p in ("p50", "p95")),
        *(
            f"watching: 1,000 files in a burst{how}, 1 + those not noticed | bare {peer}"
            for how in ("", ", the watcher stopped")
            for peer in ("watchdog", "watchfiles")
        ),
    ],
    "diff": [
        *(f"diff: 500 rows, 1 % updated, {how} | the tutorial's algorithm" for how in ("unkeyed", "keyed")),
        *(
            f"diff: 500 rows, 1 % updated, {how}, peak memory | the tutorial's algorithm"
            for how in ("unkeyed", "keyed")
        ),
        *(f"{UPDATED}, {how} | {peer}" for how in ("unkeyed", "keyed") for peer in (*PEERS, FLOOR)),
        *(f"{UPDATED}, {how}, peak memory | {peer}" for how in ("unkeyed", "keyed") for peer in PEERS),
        f"{UPDATED}, unkeyed | GNU diff --speed-large-files (lines)",
        f"{WHOLE}, whole command | cmp of equal copies",
        f"{WHOLE}, beyond --help | cmp of equal copies",
        f"{WHOLE}, whole command | csv-diff, whole command",
        "diff: 10,000 rows, CRLF for LF | DuckDB, EXCEPT ALL",
        "diff: 10,000 rows, every cell quoted | DuckDB, EXCEPT ALL",
        "diff: 10,000 rows, no quotes, last row updated | cmp of both",
        "diff: 10,000 rows, no quotes, last row updated, peak memory | 25 MB",
    ],
    "archive": [
        *(f"archive: 20,000 rows, {edit} | cmp of equal copies" for edit in EDITS),
        *(f"archive: 20,000 rows, {edit}, peak memory | 25 MB" for edit in EDITS),
        "archive: 20,000 rows, one-row edit recorded, beyond csv_watcher_list | cmp of equal copies",
        f"{VERSIONS} | zstd -3 of each version",
        f"{VERSIONS}, stored per updated row | 45 bytes",
        f"{VERSIONS}, rebuild of the last | plain decompression of it",
    ],
    "audit": [
        *(
            f"audit: 400 rows, {work} by the ORM, log_changes | {peer}"
            for peer in ("plain", "SQLAlchemy-Continuum", "SQLAlchemy-History")
            for work in ("inserted", "updated")
        ),
        *(f"audit: 400 rows, {work} by the ORM, csv_audit_add | plain" for work in ("inserted", "updated")),
        "audit: 400 rows, in bulk by Core, csv_audit_add | plain",
        "audit: 400 rows, in bulk by Core, log_changes | plain",
        "audit: 400 rows, in bulk by csv_manager, sealed and compressed | plain",
        "audit: 900 rows changed in bulk by csv_manager, kept of each | 60 bytes",
        "audit: 2,000 changes, each of them in a recovery | 10 µs (100,000/s)",
    ],
    "runs": [
        row
        for database, (_, driver) in DATABASES.items()
        for row in (
            *(
                f"runs: {database}, one row of 100 updated{how}"
                for how in (
                    ", by a command | a ledger that notes nothing",
                    ", by a service, until it is recorded | a ledger that notes nothing",
                    ", by a service, with the event record | without it",
                    " in each of 5 files, by a service | a ledger that notes nothing",
                )
            ),
            *(
                f"runs: {database}, a run of 5 tasks, {how} | bare {driver}, a commit a run"
                for how in ("noted as it begins and ends", "its end noted with the next")
            ),
        )
    ],
    "sync": [
        f"sync: {row}"
        for database, loader, merger, peers in (
            ("PostgreSQL", r"psql \copy", r"psql \copy, ON CONFLICT", ("pysqlsync", "sqlalchemy")),
            ("SQLite", "sqlite3 .import", "sqlite3 .import, ON CONFLICT", ("sqlite-utils", "dlt")),
            ("MariaDB", "LOAD DATA", "LOAD DATA, ON DUPLICATE KEY", ("pysqlsync",)),
        )
        for row in (
            *(f"{database}, loaded | {peer}" for peer in (loader, *peers)),
            f"{database}, loaded, peak memory | 64 MB",
            f"{database}, loaded, types and table made | {loader}",
            *(f"{database}, 10 % changed, all merged | {peer}" for peer in (merger, *peers)),
            f"{database}, 10 % changed, all merged, peak memory | 64 MB",
            f"{database}, 10 % changed, compared and applied | {peers[0]}, all merged",
            f"{database}, 10 % changed, compared and applied, peak memory | 64 MB",
            *(
                (
                    f"{database}, 10 % deleted, compared and applied | pysqlsync, told which",
                    f"{database}, 10 % deleted, compared and applied, peak memory | 64 MB",
                )
                if database == "MariaDB"
                else ()
            ),
        )
    ],
}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
        env=os.environ | environment,
    )


def cells(line: str) -> list[str]:
    """The cells of a line of the table: two spaces or more part them."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def unreachable(row: str) -> bool:
    """Whether a row is one of a server that does not answer; where servers are required, that fails the test."""
    kind = next((kind for name, (kind, _) in DATABASES.items() if row.partition(": ")[2].startswith(f"{name},")), None)
    refused = kind is not None and servers.refusal(kind) is not None
    if refused and os.environ.get(servers.REQUIRED):
        pytest.fail(f"{row}: {servers.refusal(str(kind))}")
    return refused


def saved() -> bytes | None:
    return RESULTS.read_bytes() if RESULTS.exists() else None


@pytest.mark.parametrize("name", PROMISED)
def test_a_quick_run_prints_every_promised_ratio_and_saves_nothing(name: str) -> None:
    before = saved()
    done = run("--quick", name)
    assert done.returncode == 0, done.stderr
    head, _, *rows = [cells(line) for line in done.stdout.splitlines()]
    assert head[:2] == ["figure", "csv_manager"]
    assert [f"{row[0]} | {row[2]}" for row in rows] == [row for row in PROMISED[name] if not unreachable(row)]
    for row in rows:
        ratio, low, high = map(float, row[4:7])
        assert low <= ratio <= high, row
    assert saved() == before


def test_a_server_that_does_not_answer_is_told_in_one_line_and_its_rows_are_left_out() -> None:
    nowhere = {
        "CSV_MANAGER_TEST_POSTGRESQL": "postgresql+psycopg://postgres@127.0.0.1:1/postgres",
        "CSV_MANAGER_TEST_MARIADB": "mysql+pymysql://root@127.0.0.1:1/mysql",
    }
    done = run("--quick", "runs", **nowhere)
    assert done.returncode == 0, done.stderr
    rows = [cells(line) for line in done.stdout.splitlines()[2:]]
    assert [f"{row[0]} | {row[2]}" for row in rows] == [row for row in PROMISED["runs"] if "SQLite" in row]
    told = [line.strip() for line in done.stderr.splitlines() if "is left out" in line]
    assert [line.partition(" ")[0] for line in told] == ["PostgreSQL", "MariaDB"]
    assert [name in line for name, line in zip(nowhere, told, strict=True)] == [True, True]


def test_an_unknown_benchmark_is_refused_by_naming_the_known_ones() -> None:
    done = run("speed")
    assert done.returncode == 2
    assert (
        "no benchmark speed; known are startup, latency, watching, diff, archive, checks, runs, sync, audit"
        in done.stderr
    )
    assert done.stdout == ""


def test_a_figure_is_the_median_of_the_ratios_of_rounds_not_the_ratio_of_medians() -> None:
    row = figure("diff", "what", "peer", "ms", [(1.0, 2.0), (9.0, 3.0), (4.0, 4.0)], target=0.5)
    assert (row.ours, row.theirs) == (4.0, 3.0)
    assert (row.ratio, row.low, row.high, row.rounds) == (1.0, 0.5, 3.0, 3)
    assert "<= 0.5 MISSED" in table([row])


def test_the_95th_percentile_of_twenty_values_is_the_nineteenth() -> None:
    assert percentile(range(20, 0, -1), 0.95) == 19
    assert percentile([7.0], 0.95) == 7.0


def test_the_saved_runs_are_whole_ones() -> None:
    saved_runs = json.loads(RESULTS.read_text("utf-8"))
    assert sorted(saved_runs) == [
        "archive",
        "audit",
        "checks",
        "diff",
        "latency",
        "runs",
        "startup",
        "sync",
        "watching",
    ]
    assert not any(run["quick"] for run in saved_runs.values())
    measured = {row["what"].partition(",")[0] for row in saved_runs["runs"]["figures"]}
    assert measured == set(DATABASES)
