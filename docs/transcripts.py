"""Runs the commands that the documentation shows, so that what it shows is what they say.

`python docs/transcripts.py` writes every transcript anew, `python docs/transcripts.py --check` says which are stale.
The blocks themselves are cog's: they make a `Session`, which runs real commands in a temporary folder.
"""
# ruff: noqa: INP001, S603 - a script beside the pages; the commands that it runs are those of the pages

import ast
import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from terminal import HOME, ROOT, Session, block, blocks, out

__all__ = ["Session", "blocks"]

#: A load average above which other programs disturb a benchmark.
_IDLE_LOAD = 1.0
_SOURCES = ("README.rst", "docs/*.rst", "docs/*/*.rst")


def fruit(session: Session, name: str = "prices.csv") -> None:
    """Make the file that most transcripts begin with."""
    session.write(name, "id,fruit,price\n1,apple,0.50\n2,pear,0.70\n3,plum,0.20\n")


@contextlib.contextmanager
def history() -> Iterator[Session]:
    """A session with a file that has four versions."""
    with Session() as session:
        fruit(session)
        session.quiet("csv_manager csv_watcher_add prices.csv --key id")
        edits = ("sed -i s/0.70/0.80/ prices.csv", "sed -i '$ a 4,fig,1.10' prices.csv", "sed -i /plum/d prices.csv")
        for edit in edits:
            session.quiet(edit)
            session.quiet("csv_manager csv_watch --once")
        yield session


def tutorial_database(session: Session, *files: str) -> None:
    """Make a watcher_db.db as the tutorial's plugin makes it, with a watcher for each of these paths."""
    session.home.mkdir()
    with contextlib.closing(sqlite3.connect(session.home / "watcher_db.db")) as database, database:
        database.execute(
            "CREATE TABLE csv_watchers ("
            "id INTEGER NOT NULL, csv_file VARCHAR(2048) NOT NULL, interval INTEGER, PRIMARY KEY (id))"
        )
        database.executemany("INSERT INTO csv_watchers (csv_file, interval) VALUES (?, 10)", [(f,) for f in files])


def readme() -> None:
    """The session on the README's first screen."""
    with Session() as session:
        fruit(session)
        session.run("cat prices.csv")
        session.run("csv_manager csv_watcher_add prices.csv --key id")
        session.watch()
        session.edit("sed -i 's/pear,0.70/pear,0.65/' prices.csv", lines=2)
        session.edit("printf '4,fig,1.10\\n' >> prices.csv", lines=2)
        session.run("csv_manager csv_history_export prices.csv 1")


def plugin(page: str, containing: str = "class PriceAlert") -> str:
    """A plugin as a page of the documentation has it: the Python block that contains a text."""
    return next(code for code in blocks(page, "python") if containing in code)


def price_alert() -> None:
    """The README's plugin at work."""
    with Session() as session:
        fruit(session)
        session.write("price_alert.py", plugin("README.rst"))
        session.quiet("csv_manager csv_watcher_add prices.csv --key id")
        session.watch("csv_manager --plugin price_alert.py csv_watch")
        session.edit("sed -i 's/pear,0.70/pear,0.65/' prices.csv", lines=2)


def commands(*names: str) -> None:
    """A section for each command, with what its --help says."""
    with _quiet_session() as session:
        for name in names:
            told = session.quiet(f"csv_manager {name} --help")
            out(f"\n.. _{name}:\n\n{name}\n{'~' * len(name)}\n")
            block("text", told)


def program_help() -> None:
    """What csv_manager --help says."""
    with _quiet_session() as session:
        block("text", session.quiet("csv_manager --help"))


def figures(benchmark: str) -> None:
    """The saved run of a benchmark: when and where, then its table."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from harness import Figure, table

    run = json.loads((ROOT / "benchmarks" / "results.json").read_text("utf-8"))[benchmark]
    load = run["load_before"]
    idle = "idle" if load < _IDLE_LOAD else "not idle: read the spread between `min` and `max` with that in mind"
    about = (
        f"Produced by `{run['command']}` on {run['date'][:10]}, with Python {run['python']} on {run['system']}. "
        f"The load before the run was {load}; the machine was {idle}."
    )
    out(f"\n{textwrap.fill(about, 120)}\n")
    block("text", table(Figure(**row) for row in run["figures"]))


def verdicts() -> None:
    """The saved run of the fault suite: when and where, how much of each fault, and the counts."""
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    from running import RESULTS, table
    from verdicts import Verdict

    run = json.loads(RESULTS.read_text("utf-8"))
    scale = run["scale"]
    about = (
        f"Produced by `{run['command']}` on {run['date'][:10]}, with Python {run['python']} on {run['system']}: "
        f"{scale['edits']:,} edits and kills, {scale['files']:,} files at once, pauses of {scale['slow_pause']:g} "
        f"seconds, the store locked for {scale['locked']:g} seconds, {scale['rounds']} rounds of what is repeated. "
        f"The real programs were {', '.join(run['programs'])}."
    )
    out(f"\n{textwrap.fill(about, 120)}\n")
    block("text", table(Verdict(**told) for told in run["verdicts"]))


def settings() -> None:
    """Every setting with its default, as csv_config_list tells it, under the comment of configuration.py."""
    with _quiet_session() as session:
        listed = session.quiet("csv_manager csv_config_list --format jsonl").replace(str(session.home), HOME)
    values = {told["name"]: told["value"] for told in map(json.loads, listed.splitlines())}
    for comment, names in _described_settings():
        signatures = f"\n{' ' * 14}".join(f"{name} = {json.dumps(values[name])}" for name in names)
        out(f"\n.. describe:: {signatures}\n\n{textwrap.indent(textwrap.fill(comment, 112), '    ')}\n")
    out("\n")


def _described_settings() -> Iterator[tuple[str, list[str]]]:
    """The groups of settings in configuration.py: the comment above each, and the names that it is about."""
    source = (ROOT / "csv_manager/applications/configuration.py").read_text("utf-8")
    lines = source.splitlines()
    comment: list[str] = []
    group: list[str] = []
    for statement in ast.parse(source).body:
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if not isinstance(target, ast.Name):
            continue
        above = []
        for line in reversed(lines[: statement.lineno - 1]):
            if not line.startswith("#:"):
                break
            above.insert(0, line.removeprefix("#:").strip())
        if above and group:
            yield " ".join(comment), group
            group = []
        comment = above or comment
        group.append(target.id)
    yield " ".join(comment), group


@contextlib.contextmanager
def _quiet_session() -> Iterator[Session]:
    """A session whose block is not written."""
    session = Session(settle=None)
    try:
        yield session
    finally:
        shutil.rmtree(session.home.parent, ignore_errors=True)


def pages() -> list[str]:
    """The pages with a transcript, from the root of the project."""
    found = (path for pattern in _SOURCES for path in sorted(ROOT.glob(pattern)))
    return [str(path.relative_to(ROOT)) for path in found if "[[[cog" in path.read_text("utf-8")]


def main(arguments: list[str]) -> int:
    """Write the transcripts of every page, or of these; with --check say which are stale."""
    check = ["--check", "--diff"] if "--check" in arguments else ["-r"]
    named = [argument for argument in arguments if argument != "--check"]
    command = [sys.executable, "-m", "cogapp", "-c", "-I", "docs", *check, *(named or pages())]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
