"""CsvCheckPattern: the checks that plugins have, in the kit for plugin authors."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from csv_manager import testing
from csv_manager.core import Finding
from csv_manager.core.errors import PluginError
from csv_manager.patterns import CsvCheckPattern

GOOD = "id,net,gross\n1,100,119\n2,200,238\n"
BAD = GOOD.replace("238", "240")


class Vat(CsvCheckPattern):
    """Checks that amounts contain the tax."""

    def activate(self) -> None:
        self.seen: list[tuple[int, bool]] = []
        self.csv_checks.register("vat", self.check, "Gross is net and tax.", options=["rate"])

    def check(self, rows: Any, options: Mapping[str, Any]) -> Iterator[Finding]:
        self.seen.append((rows.count(), rows.is_partial))
        rate = float(options.get("rate", "0.19"))
        for row in rows:
            if abs(float(row["net"]) * (1 + rate) - float(row["gross"])) > 0.01:
                yield Finding(code="vat", line=row.line, column="gross", message=f"{row['gross']} is not net and tax")


class Growing(CsvCheckPattern):
    """Checks that a file has more rows than before."""

    def activate(self) -> None:
        self.csv_checks.register("growing", self.check, scope="version")

    def check(self, rows: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
        if rows.previous is not None and rows.previous.count() >= rows.count():
            yield Finding(code="shrunk", message=f"{rows.count()} rows, and {rows.previous.count()} before")


def test_what_a_check_finds_holds_a_version_with_row_and_line() -> None:
    with testing.app(Vat) as app:
        app.write("invoices.csv", GOOD, key="id")
        assert app.settle() == [1]
        assert app.findings() == []
        app.write("invoices.csv", BAD)
        assert app.settle() == [2]
        assert app.findings() == [
            {"code": "vat", "message": "240 is not net and tax", "line": 3, "column": "gross", "row": 2, "value": None,
             "level": "error", "rule": "vat"},
        ]  # fmt: skip
        file = app.app.csv_watcher.store.file(app.path("invoices.csv"))
        assert (file.version(2).status, file.record.head) == ("held", 1)


def test_a_check_has_options_and_a_level() -> None:
    with testing.app(Vat) as app:
        app.write("invoices.csv", GOOD, key="id")
        app.check("vat", rate="0.2", level="warning")
        app.settle()
        assert [finding["level"] for finding in app.findings()] == ["warning", "warning"]
        assert app.app.csv_watcher.store.file(app.path("invoices.csv")).record.head == 1


def test_only_rows_that_changed_are_looked_at() -> None:
    with testing.app(Vat) as app:
        many = "id,net,gross\n" + "".join(f"{number},100,119\n" for number in range(40))
        app.write("invoices.csv", many, key="id")
        app.settle()
        app.write("invoices.csv", many.replace("\n7,100,119\n", "\n7,200,238\n"))
        app.settle()
        assert app.plugins["Vat"].seen == [(40, False), (1, True)]
        app.check("vat", rate="0.19")
        app.write("invoices.csv", many)
        app.settle()
        assert app.plugins["Vat"].seen[-1] == (40, False)


def test_a_check_of_a_version_knows_the_one_before() -> None:
    with testing.app(Growing, Vat) as app:
        app.write("invoices.csv", GOOD, key="id")
        app.settle()
        app.write("invoices.csv", GOOD.replace("1,100,119\n", ""))
        app.settle()
        assert [(finding["code"], finding["message"]) for finding in app.findings()] == [
            ("shrunk", "1 rows, and 2 before")
        ]
        app.write("invoices.csv", GOOD + "3,100,119\n")
        assert app.settle() == [3]
        assert app.findings() == []


def test_what_is_registered_is_checked() -> None:
    with testing.app(Vat) as app:
        checks = app.plugins["Vat"].csv_checks
        with pytest.raises(PluginError, match="the check 'vat' is registered by Vat already"):
            checks.register("vat", print)
        with pytest.raises(PluginError, match="a check has a name, a function, and the scope rows or version"):
            checks.register("other", print, scope="cells")
        assert {"schema", "rule", "query", "vat"} <= set(checks.get())
        assert checks.get("vat").description == "Gross is net and tax."
        checks.unregister("vat")
        assert checks.get("vat") is None
        app.plugins["Vat"].csv_checks.register("vat", print)
        app.app.plugins.deactivate(["Vat"])
        assert checks.get("vat") is None
