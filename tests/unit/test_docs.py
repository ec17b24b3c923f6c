"""The documentation says what is so: its transcripts, its code, and that nothing is missing from it."""

import importlib
import importlib.util
import logging
import re
import sqlite3
import subprocess
import sys
import textwrap
import tomllib
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from csv_manager import __version__, testing
from csv_manager.framework import settings as layered
from csv_manager.store.schema import VERSION_TABLE, metadata

if TYPE_CHECKING:
    from conftest import Cli

ROOT = Path(__file__).parent.parent.parent
NOUNS = (
    "watcher", "file event", "arrival", "snapshot", "row key", "change set", "version", "run", "task", "target",
    "watermark", "outbox", "audit entry", "finding", "head", "latest", "held", "csv format",
    "record", "window",
)  # fmt: skip


def load_transcripts() -> ModuleType:
    """The module that writes the transcripts; it belongs to no package."""
    spec = importlib.util.spec_from_file_location("transcripts", ROOT / "docs" / "transcripts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


transcripts = load_transcripts()


def page(name: str) -> str:
    """The text of a page."""
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", transcripts.pages())
def test_what_a_page_shows_is_what_the_commands_say(name: str) -> None:
    command = [sys.executable, "-m", "cogapp", "-c", "-I", "docs", "--check", "--diff", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `python docs/transcripts.py`\n{done.stdout}{done.stderr}"


def test_every_command_is_documented() -> None:
    text = page("docs/reference/commands.rst")
    with testing.app() as app:
        names = list(app.app.commands.get())
    assert "csv_watch" in names
    assert [name for name in names if f".. _{name}:\n" not in text] == []


def test_every_setting_is_documented(tmp_path: Path) -> None:
    text = page("docs/reference/settings.rst")
    names = list(layered.load(environment={"CSV_MANAGER_HOME": str(tmp_path)}))
    assert "CSV_SETTLE" in names
    told = re.findall(r"^(?:\.\. describe::| {13}) (\w+) = ", text, re.MULTILINE)
    assert told == names


def test_every_signal_is_documented_with_its_arguments() -> None:
    text = page("docs/reference/python.rst")
    with testing.app() as app:
        signals = {name: told.description for name, told in app.app.signals.get().items() if name.startswith("csv_")}
    assert "csv_watcher_change" in signals
    for name, description in signals.items():
        section = re.search(rf"^``{name}``\n((?:    .*\n|\n)+)", text, re.MULTILINE)
        assert section is not None, name
        arguments = description.partition(":")[2].strip(" .").split(", ")
        assert [argument for argument in arguments if f"``{argument}``" not in section[1]] == [], name


def test_every_dependency_is_justified() -> None:
    text = page("docs/dependencies.rst").lower()
    project = tomllib.loads(page("pyproject.toml"))["project"]
    names = [requirement_name(line) for line in project["dependencies"]]
    assert "groundwork" in names
    assert [name for name in names if f"\n{name}\n    " not in text] == []
    for extra, requirements in project["optional-dependencies"].items():
        assert f"\n``{extra}``\n    " in text
        assert [line for line in requirements if requirement_name(line) not in text] == [], extra


def requirement_name(requirement: str) -> str:
    """The name in a requirement such as `click>=8.1`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def test_every_column_of_the_store_is_documented() -> None:
    sections = re.split(r"\n(\w+)\n-+\n", page("docs/reference/tables.rst"))
    told = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert VERSION_TABLE in told
    for name, table in metadata.tables.items():
        assert [column.name for column in table.columns if f"``{column.name}``" not in told[name]] == [], name


def test_what_is_said_beside_other_tools_is_shown_by_tests() -> None:
    named = set(re.findall(r"``(test_\w+)``", page("docs/sync.rst")))
    code = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 15
    assert sorted(name for name in named if f"\ndef {name}(" not in code) == []


@pytest.mark.parametrize("noun", NOUNS)
def test_the_glossary_has_every_noun(noun: str) -> None:
    assert f"\n    {noun}\n        " in page("docs/glossary.rst")


def test_the_changelog_knows_the_version() -> None:
    assert f"\n{__version__}" in page("CHANGELOG.rst")


def test_the_readme_has_two_commands_of_one_line() -> None:
    demo, tests = transcripts.blocks("README.rst", "sh")
    assert demo.endswith("csv_manager csv_demo\n")
    assert tests.endswith("nox\n")
    assert demo.count("\n") == tests.count("\n") == 1
    assert f".. the test command\n\n.. code-block:: sh\n\n    {tests}" in page("README.rst")


def test_the_readmes_plugin_runs_from_a_file_of_fifteen_lines(cli: "Cli") -> None:
    code = transcripts.plugin("README.rst")
    assert len(code.splitlines()) <= 15
    plugin = cli.write("price_alert.py", code)
    cli.write("prices.csv", "id,price\n1,0.50\n2,0.70\n")
    cli("csv_watcher_add", "prices.csv", "--key", "id")
    cli("--plugin", plugin, "csv_watch", "--once")
    cli.write("prices.csv", "id,price\n1,0.55\n2,0.65\n")
    told = cli("--plugin", plugin, "csv_watch", "--once")
    assert "2 {'id': '2'} 0.70 to 0.65\n" in told
    assert "{'id': '1'}" not in told


def test_the_how_to_shows_the_readmes_plugin() -> None:
    how_to = "docs/how-to/write-a-plugin.rst"
    assert transcripts.plugin(how_to) == transcripts.plugin("README.rst")


def test_the_tests_of_the_how_to_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "price_alert.py").write_text(transcripts.plugin("README.rst"), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "price_alert", raising=False)
    namespace: dict[str, Any] = {}
    for code in transcripts.blocks("docs/how-to/test-a-plugin.rst", "python"):
        exec(code, namespace)  # noqa: S102 - the page's own code
    namespace["test_a_fallen_price_is_told"](capsys)
    namespace["test_a_repeated_key_is_held"]()
    monkeypatch.delitem(sys.modules, "price_alert")


def test_the_how_tos_receiver_of_the_signal_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    methods = transcripts.plugin("docs/how-to/write-a-plugin.rst", containing="csv_watcher_change")
    head = "from csv_manager.patterns import CsvWatcherPattern\n\nclass RowCount(CsvWatcherPattern):\n"
    (tmp_path / "row_count.py").write_text(head + textwrap.indent(methods, "    "), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = importlib.import_module("row_count").RowCount
    with caplog.at_level(logging.INFO), testing.app(plugin) as app:
        path = app.write("prices.csv", "id,price\n1,0.50\n2,0.70\n", key="id")
        app.settle()
        app.write("prices.csv", "id,price\n1,0.55\n")
        app.settle()
    told = [message for message in caplog.messages if message.startswith(path)]
    assert told == [f"{path}: 2 new rows, 0 missing", f"{path}: 1 new rows, 2 missing"]


def test_the_how_tos_plugin_knows_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = transcripts.plugin("docs/how-to/see-what-failed.rst", containing="class Morning")
    (tmp_path / "morning.py").write_text(code, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with testing.app(importlib.import_module("morning").Morning) as app:
        path = app.write("prices.csv", "id,price\n1,0.50\n", key="id")
        app.settle()
        plugin = app.app.plugins.get("Morning")
        sha256 = plugin.csv_watcher.store.file(path).version(1).sha256
        assert plugin.failed() == []
        assert plugin.is_done(sha256, path)
        assert not plugin.is_done("0" * 64, path)


def test_the_application_of_the_reference_starts_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSV_MANAGER_HOME", str(tmp_path / "home"))
    code = transcripts.plugin("docs/reference/python.rst", containing="CSV_MANAGER_APP")
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102 - the page's own code
    assert not namespace["application"].app.csv_watcher.running


def test_the_comparison_of_the_reference_tells_the_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.csv").write_text("id,price\n1,0.50\n2,0.70\n")
    (tmp_path / "new.csv").write_text("id,price\n1,0.50\n2,0.65\n")
    exec(transcripts.plugin("docs/reference/python.rst", containing="csv_manager.diff"), {})  # noqa: S102 - the page's own
    assert capsys.readouterr().out.splitlines() == [
        "Counts(inserted=0, updated=1, deleted=0)",
        "update {'id': '2'} {'id': '2', 'price': '0.70'} {'id': '2', 'price': '0.65'}",
    ]


def test_the_history_of_the_reference_tells_versions_and_changes(
    cli: "Cli", monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.write("prices.csv", "id,price\n1,0.50\n2,0.70\n")
    cli("csv_watcher_add", "prices.csv", "--key", "id")
    cli.write("prices.csv", "id,price\n1,0.50\n2,0.65\n")
    cli("csv_watch", "--once")
    monkeypatch.chdir(cli.folder)
    monkeypatch.setenv("CSV_MANAGER_HOME", str(cli.home))
    exec(transcripts.plugin("docs/reference/python.rst", containing="open_store"), {})  # noqa: S102 - the page's own code
    assert capsys.readouterr().out.splitlines() == [
        "2 change 2",
        "1 add 2",
        "update {'id': '2', 'price': '0.70'} {'id': '2', 'price': '0.65'}",
    ]


def test_the_queries_of_the_reference_answer(cli: "Cli") -> None:
    path = cli.write("prices.csv", "id,price\n1,0.50\n2,0.70\n")
    cli("csv_watcher_add", "prices.csv", "--key", "id")
    for content in ("id,price\n1,0.50\n2,0.65\n", "id,price\n1,0.50\n"):
        cli.write("prices.csv", content)
        cli("csv_watch", "--once")
    counts, prices = transcripts.blocks("docs/reference/tables.rst", "sql")
    with closing(sqlite3.connect(cli.home / "watcher_db.db")) as store:
        assert store.execute(counts).fetchall() == [(str(path), 2, 4)]
        told = [row[1:] for row in store.execute(prices)]
    assert told == [("update", "0.70", "0.65"), ("delete", "0.65", None)]
