"""Migrations of plugins: beside the store's, in whatever database, and one line for those that cannot be used."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import servers

from csv_manager import testing
from csv_manager.core.errors import PluginError
from csv_manager.framework.plugin_migrations import line_of_plugin
from csv_manager.patterns import CsvDatabasesPattern
from csv_manager.store.engine import using
from csv_manager.store.roles import missing_rights, missing_tables

MIGRATION = '''
"""Makes the table of the plugin."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do it."""
    op.{what}
'''


def test_a_plugin_has_migrations_of_its_own_beside_the_stores(tmp_path: Path, warehouse: str) -> None:
    folder = tmp_path / "versions"
    folder.mkdir()
    first = 'create_table("note", sa.Column("id", sa.Integer, primary_key=True))'
    (folder / "one.py").write_text(MIGRATION.format(revision="n1", down=None, what=first))

    class Notes(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.migrations(folder)
            self.databases.migrations(folder, "warehouse")

    with testing.app(Notes, DATABASES={"warehouse": warehouse}) as app:
        databases = app.plugins["Notes"].databases
        assert databases.state("warehouse").state == "empty"
        assert databases.upgrade("default") == ["csv_manager to 0008", "Notes to n1"]
        assert databases.upgrade("warehouse") == ["Notes to n1"]
        assert (databases.state("default").schema, databases.state("warehouse").schema) == (
            "0008, Notes n1",
            "Notes n1",
        )
        second = 'add_column("note", sa.Column("text", sa.Text))'
        (folder / "two.py").write_text(MIGRATION.format(revision="n2", down='"n1"', what=second))
        told = databases.state("warehouse")
        assert (told.state, told.reason) == ("behind", "it has n1, and n2 is known here")
        assert "note" in databases.sql("warehouse")
        assert databases.upgrade("warehouse") == ["Notes to n2"]
        (folder / "two.py").unlink()
        assert databases.state("warehouse").state == "newer"
        with pytest.raises(Exception, match="was made by a newer plugin Notes"):
            databases.upgrade("warehouse")


BROKEN: dict[str, tuple[dict[str, str], str]] = {
    "empty": ({}, "{folder}: there is no migration in it."),
    "unknown": (
        {"two.py": MIGRATION.format(revision="n2", down='"n1"', what="f()")},
        "{folder}: Revision n1 referenced",
    ),
    "two": (
        {f"{name}.py": MIGRATION.format(revision=name, down=None, what="f()") for name in ("n1", "n2")},
        "{folder}: n1 and n2 are both the newest; let one follow the other.",
    ),
    "twice": (
        {f"{name}.py": MIGRATION.format(revision="n1", down=None, what="f()") for name in ("a", "b")},
        "{folder}: Revision n1 is present more than once",
    ),
    "import": ({"one.py": "import nothing_there\n"}, "{folder}, one.py, line 1: No module named 'nothing_there'."),
    "syntax": ({"one.py": "revision = \n"}, "{folder}: invalid syntax (one.py, line 1)."),
    "nameless": ({"one.py": "x = 1\n"}, "{folder}: Could not determine revision id"),
    "exit": ({"one.py": "raise SystemExit(5)\n"}, "{folder}, one.py, line 1: it ends the program"),
}


@pytest.mark.parametrize("kind", [*BROKEN, "missing"])
def test_migrations_that_cannot_be_used_are_one_line_and_other_databases_work(tmp_path: Path, kind: str) -> None:
    files, expected = BROKEN.get(kind, ({}, "{folder}: there is no such folder."))
    folder = tmp_path / "versions"
    if kind != "missing":
        folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)

    class Notes(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.migrations(folder, "warehouse")

    line = f"The migrations of plugin Notes in {expected.format(folder=folder)}"
    with testing.app(Notes, DATABASES={"warehouse": f"sqlite:///{tmp_path / 'w.db'}"}) as app:
        databases = app.plugins["Notes"].databases
        databases.upgrade("default")
        (tmp_path / "w.db").touch()
        told = databases.state("warehouse")
        assert (databases.state("default").state, told.state) == ("ok", "broken")
        assert told.reason.startswith(line)
        assert [check.reason for check in databases.check("warehouse")] == [None, None, told.reason]
        for ask in (databases.upgrade, databases.sql):
            with pytest.raises(PluginError) as caught:
                ask("warehouse")
            assert str(caught.value) == told.reason
            assert "\n" not in told.reason


def test_a_migration_that_fails_is_told_with_its_plugin_and_its_line(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "one.py").write_text(MIGRATION.format(revision="n1", down=None, what="nothing()"))

    class Notes(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.migrations(tmp_path / "versions")

    with testing.app(Notes) as app:
        line = rf"^The migrations of plugin Notes in {tmp_path}/versions, one\.py, line 15: .*'nothing'"
        for ask in (app.plugins["Notes"].databases.upgrade, app.plugins["Notes"].databases.sql):
            with pytest.raises(PluginError, match=line):
                ask("default")
        assert app.plugins["Notes"].databases.state("default").state == "empty"


def test_the_table_of_a_plugins_revision_is_its_own_however_long_its_name_is() -> None:
    names = ["Notes", "P" * 47 + "a", "P" * 47 + "b", "P" * 60, "Ü" * 40, "Ü" * 41]
    tables = [line_of_plugin(SimpleNamespace(name=name), "/x").version_table for name in names]
    assert tables[0] == "csv_schema_of_notes"
    assert len(set(tables)) == len(names)
    assert max(len(table.encode()) for table in tables) <= 60


def test_migrations_that_cannot_be_used_hold_the_stores_own_tables_up_for_nobody(tmp_path: Path) -> None:
    class Notes(CsvDatabasesPattern):
        def activate(self) -> None:
            self.databases.migrations(tmp_path / "nothing")

    with servers.users("postgresql", "boss") as users:
        user, admin = (f"{url.username}:{url.password}" for url in (users.user, users.admin))
        told = {
            "dialect": "postgresql",
            "address": users.root.host,
            "port": users.root.port,
            "user": user,
            "admin": admin,
        }
        with testing.app(Notes, DATABASES={"default": told | {"database": users.root.database}}) as app:
            databases = app.plugins["Notes"].databases
            with pytest.raises(PluginError, match=r"plugin Notes in .*there is no such folder"):
                databases.upgrade("default")
            with using(users.user) as engine:
                assert missing_rights(engine, ["csv_files"]) is None
                assert missing_tables(engine, ["csv_files"]) == []
            assert databases.state("default").state == "broken"
