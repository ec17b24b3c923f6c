"""Versions that are recorded without their bad rows: what is left of them, and what becomes of the rows."""

import contextlib
import gzip
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import servers
from targets import KINDS, Targets, database

from csv_manager.checks.running import Check
from csv_manager.core.errors import ArchiveError, DuplicateKeyError, OptionError
from csv_manager.core.findings import Finding
from csv_manager.core.model import FormatOptions, Version, WatcherOptions
from csv_manager.core.paths import identity
from csv_manager.core.rules import Gate, Limit, Rule, RuleSet
from csv_manager.pipeline.store import File, Store, VersionChange

FRUIT = "id,price\n1,5\n2,7\n3,2\n"
GATE = Gate(on_bad="quarantine-rows")


def priced(rows: Any, options: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for each row without a price, and one for each that is too high."""
    column = rows.columns[1] if len(rows.columns) > 1 else rows.columns[0]
    for row in rows:
        if not (row[column] or "").isdecimal():
            yield Finding(code="no-price", message=f"{row[column]!r} is none", line=row.line, column=column)
        elif int(row[column] or 0) > int(options.get("most", 100)):
            yield Finding(code="dear", message="it is dear", row=row.row, column=column)


def single(rows: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
    """A finding for each row whose price another one before it has: rows are not judged by themselves."""
    seen: set[str] = set()
    for row in rows:
        if row["price"] in seen:
            yield Finding(code="again", message="it was there", row=row.row, column="price")
        seen.add(row["price"])


def short(rows: Any, _options: Mapping[str, Any]) -> Iterator[Finding]:
    if rows.count() > 9:
        yield Finding(code="long", message="it has too many rows")


CHECKS = {
    "priced": Check(name="priced", function=priced),
    "single": Check(name="single", function=single, scope="version"),
    "short": Check(name="short", function=short, scope="version"),
}


class Files:
    """A store, and a watched file whose bad rows are quarantined."""

    def __init__(self, folder: Path, url: object, name: str = "data.csv", row_limit: int = 100) -> None:
        self.folder = folder
        archive = folder / "archive"
        self.store = Store(url=url, archive=archive, row_limit=row_limit)  # type: ignore[arg-type] # a URL or text
        self.store.recorder.judge.checks = lambda: CHECKS
        self.path = identity(str(folder / name))

    def write(self, content: str | bytes, **options: Any) -> Version:
        """Record a content; the file's latest version."""
        Path(self.path).write_bytes(content.encode() if isinstance(content, str) else content)
        known = self.store.catalog.watchers.of(self.path)
        told = known.options if known else WatcherOptions(**{"key": ("id",), **options})
        self.store.recorder.record(self.path, told, store_watcher=known is None)
        latest = self.store.latest(self.path)
        assert latest is not None
        return latest

    def rule(self, *checks: str, gate: Gate = GATE, **options: Any) -> RuleSet:
        [watcher] = self.store.catalog.watchers.all()
        rules = tuple(Rule(name=check, check=check, options=options) for check in checks or ("priced",))
        return self.store.catalog.rules.change(watcher, lambda _: RuleSet(rules=rules, gate=gate))

    @property
    def file(self) -> File:
        return self.store.file(self.path)

    def rows(self, which: int | str = "head") -> list[tuple[int | None, list[str]]]:
        return [(row.line, row.cells) for row in self.file.table(which).rows()]

    def aside(self, which: int | str = "head") -> bytes | None:
        place = self.file.quarantine_file(which)
        return None if place is None else place.read_bytes()

    def reasons(self, which: int | str = "head") -> list[tuple[int, list[str]]]:
        return [(row.line, [finding.code for finding in row.findings]) for row in self.file.quarantine(which)]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made = Files(tmp_path, f"sqlite:///{tmp_path / 'store.db'}")
    with contextlib.closing(made.store):
        yield made


@pytest.fixture(params=KINDS)
def each_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Files]:
    with contextlib.ExitStack() as stack:
        url: object = f"sqlite:///{tmp_path / 'store.db'}"
        if request.param != "sqlite":
            url = stack.enter_context(servers.database(request.param))
        made = Files(tmp_path, url)
        stack.callback(made.store.close)
        yield made


def test_a_version_is_recorded_without_its_bad_rows_and_comes_back_with_them(each_store: Files) -> None:
    files = each_store
    files.write(FRUIT)
    files.rule()
    content = 'id,price\n1,5\n2,"so\nmuch"\n3,3\n4,\n5,6'
    version = files.write(content)
    assert (version.status, version.rows, version.quarantined, version.bad_rows) == ("ok", 3, 2, 2)
    assert (version.inserted, version.updated, version.deleted) == (1, 1, 1)
    assert files.rows() == [(2, ["1", "5"]), (5, ["3", "3"]), (7, ["5", "6"])]
    with files.file.open() as bytes_of_it:
        assert bytes_of_it.read() == content.encode()
    assert files.aside() == b'id,price\n2,"so\nmuch"\n4,\n'
    [first, second] = files.file.quarantine()
    assert (first.line, first.cells) == (3, {"id": "2", "price": "so\nmuch"})
    assert first.findings == (Finding(code="no-price", message=r"'so\nmuch' is none", column="price", rule="priced"),)
    assert (second.line, second.cells) == (6, {"id": "4", "price": ""})
    changes = [(change.op, change.line) for change in files.file.changes()]
    assert changes == [("delete", 3), ("update", 5), ("insert", 7)]
    assert files.reasons(1) == []
    assert files.aside(1) is None
    again = files.write(content.replace("5,6", "5,7"))
    assert (again.quarantined, again.updated, again.inserted + again.deleted) == (2, 1, 0)
    files.store.prune([(files.file, [2])])
    assert list(files.file.quarantine("head")) != []
    assert not files.store.side_files.place(files.path, 2).exists()
    assert files.store.side_files.place(files.path, 3).exists()
    files.store.purge(files.file)
    assert not files.store.side_files.place(files.path, 3).parent.exists()
    assert files.store.archive.contents() == set()


def test_rows_that_stay_bad_stay_out_though_only_changed_rows_are_looked_at(files: Files) -> None:
    text = "id,price\n" + "".join(f"{number},{number % 90}\n" for number in range(60))
    files.write(text)
    files.rule()
    bad = text.replace("\n7,7\n", "\n7,x\n").replace("\n20,20\n", "\n20,999\n")
    first = files.write(bad)
    assert (first.quarantined, first.rows, first.deleted) == (2, 58, 2)
    second = files.write(bad.replace("\n9,9\n", "\n9,10\n"))
    assert (second.quarantined, second.rows, second.updated, second.deleted) == (2, 58, 1, 0)
    assert second.checks[0]["is_partial"]
    assert second.checks[0]["scanned"] == 3
    assert files.reasons() == [(9, ["no-price"]), (22, ["dear"])]
    assert [(finding.row, finding.line) for finding in second.findings] == [(8, 9), (21, 22)]
    mended = files.write(text.replace("\n9,9\n", "\n9,10\n"))
    assert (mended.quarantined, mended.rows, mended.inserted, mended.updated) == (0, 60, 2, 0)
    assert files.aside() is None
    assert mended.clean is None


@pytest.mark.parametrize(
    ("name", "encode", "options"),
    [
        ("data.csv", lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"), {}),
        ("data.csv", lambda text: text.encode("utf-16"), {}),
        ("data.csv", lambda text: text.replace(",", ";").encode("cp1252"), {}),
        ("data.csv.gz", lambda text: gzip.compress(text.encode()), {}),
        ("data.csv.gz", lambda text: gzip.compress(text.encode("utf-16")), {"encoding": "utf-16"}),
        ("data.csv", lambda text: ("sep=,\n" + text).encode(), {}),
        ("data.csv", lambda text: text.replace("\n", "\r").encode(), {}),
        ("data.csv", lambda text: text.partition("\n")[2].encode(), {"header": False}),
    ],
)
def test_what_is_left_is_read_as_the_file_is(tmp_path: Path, name: str, encode: Any, options: Any) -> None:
    files = Files(tmp_path, f"sqlite:///{tmp_path / 'store.db'}", name)
    with contextlib.closing(files.store):
        key = () if options.get("header") is False else ("id",)
        files.write(encode("id,price,né\n1,5,ü\n2,7,é\n3,2,\n"), key=key, format=FormatOptions(**options))
        files.rule()
        version = files.write(encode("id,price,né\n1,x,ü\n2,7,é\n3,2,\n4,,ü\n"))
        assert (version.rows, version.quarantined, version.deleted, version.inserted) == (2, 2, 1, 0)
        assert [cells for _, cells in files.rows()] == [["2", "7", "é"], ["3", "2", ""]]
        assert [row.cells["né" if key else "column_3"] for row in files.file.quarantine() if row.cells] == ["ü", "ü"]
        version = files.write(encode("id,price,né\n1,x,ü\n2,8,é\n3,2,\n4,9,ü\n"))
        assert (version.rows, version.quarantined) == (3, 1)
        assert [cells for _, cells in files.rows()] == [["2", "8", "é"], ["3", "2", ""], ["4", "9", "ü"]]
        assert version.columns == files.file.version(1).columns
        aside = files.aside() or b""
        encoding = "cp1252" if version.csv_format.encoding == "cp1252" else "utf-8"
        assert "1,x,ü" in aside.decode(encoding).replace(";", ",")


def test_findings_that_are_of_no_row_hold_a_version(files: Files) -> None:
    files.write(FRUIT)
    files.rule("priced", "short")
    version = files.write("id,price\n" + "".join(f"{number},x\n" for number in range(12)))
    assert (version.status, version.quarantined, version.clean) == ("held", 0, None)
    assert files.reasons(version.number) == []
    assert files.aside(version.number) is None


def test_more_bad_rows_than_the_limit_hold_a_version(files: Files) -> None:
    files.write(FRUIT)
    files.rule(gate=replace(GATE, max_bad=Limit(number=1)))
    assert files.write("id,price\n1,x\n2,7\n3,2\n").quarantined == 1
    version = files.write("id,price\n1,x\n2,x\n3,2\n")
    assert (version.status, version.bad_rows, version.quarantined) == ("held", 2, 0)
    assert version.reason == "2 of 3 rows are bad, more than 1; 2 more findings"
    assert files.rows() == [(3, ["2", "7"]), (4, ["3", "2"])]
    files.store.decider.accept(files.path, version)
    assert files.rows() == [(2, ["1", "x"]), (3, ["2", "x"]), (4, ["3", "2"])]


def test_too_few_rows_that_are_left_hold_a_version(files: Files) -> None:
    files.write(FRUIT)
    files.rule(gate=replace(GATE, max_deleted=Limit(number=50, is_share=True)))
    version = files.write("id,price\n1,x\n2,x\n3,2\n4,x\n")
    assert version.status == "held"
    assert version.reason == "2 of 3 rows are gone, more than 50%; 3 more findings"
    assert (version.rows, version.clean, version.findings[0].code) == (4, None, "deleted-rows")
    nothing = files.write("id,price\n1,x\n2,x\n3,x\n")
    assert nothing.reason == "it has no rows, and 3 rows before; 3 more findings"


def test_rows_of_one_key_are_told_apart_once_the_bad_ones_are_left_out(files: Files) -> None:
    files.write(FRUIT)
    files.rule()
    version = files.write("id,price\n1,5\n2,7\n2,x\n3,9\n")
    assert (version.status, version.rows, version.quarantined, version.updated) == ("ok", 3, 1, 1)
    version = files.write("id,price\n1,5\n2,7\n2,8\n3,x\n")
    assert (version.status, version.findings[0].code) == ("held", "primary-key")
    version = files.write("id,price\n1,5\n2,7\n2,8\n3,9\n")
    assert (version.status, version.findings[0].code) == ("held", "primary-key")
    [watcher] = files.store.catalog.watchers.all()
    with pytest.raises(DuplicateKeyError):
        files.store.recorder.check(files.path, watcher.options)
    assert files.rows() == [(2, ["1", "5"]), (3, ["2", "7"]), (5, ["3", "9"])]


def test_a_rule_that_sees_all_rows_leaves_out_those_that_it_finds(files: Files) -> None:
    files.write(FRUIT)
    files.rule("priced", "single")
    version = files.write("id,price\n1,5\n2,5\n3,2\n4,x\n5,x\n")
    assert (version.quarantined, version.rows) == (3, 2)
    assert files.reasons() == [(3, ["again"]), (5, ["no-price"]), (6, ["no-price", "again"])]


def test_of_many_bad_rows_as_many_are_kept_in_sql_as_is_told_and_all_in_the_file(tmp_path: Path) -> None:
    files = Files(tmp_path, f"sqlite:///{tmp_path / 'store.db'}", row_limit=3)
    with contextlib.closing(files.store):
        files.write(FRUIT)
        files.rule()
        content = "id,price\n" + "".join(f"{number},{'x' if number < 8 else 1}\n" for number in range(20))
        version = files.write(content)
        assert (version.quarantined, version.rows) == (8, 12)
        assert files.reasons() == [(2, ["no-price"]), (3, ["no-price"]), (4, ["no-price"])]
        assert files.aside() == content[: content.index("8,1")].encode()


def test_a_table_follows_what_is_left(tmp_path: Path) -> None:
    for kind in KINDS:
        folder = tmp_path / kind
        folder.mkdir()
        with database(kind, folder) as engine, contextlib.closing(Targets(folder, engine)) as targets:
            targets.store.recorder.judge.checks = lambda: CHECKS
            targets.store.recorder.judge.in_force = targets.store.catalog.rules.in_force
            targets.write(FRUIT, key=("id",))
            target = targets.add()
            targets.sync(target)
            [watcher] = targets.store.catalog.watchers.all()
            rule = Rule(name="priced", check="priced", options={})
            targets.store.catalog.rules.change(watcher, lambda _, rule=rule: RuleSet(rules=(rule,), gate=GATE))
            targets.write("id,price\n1,5\n2,x\n3,4\n")
            targets.sync(target)
            assert targets.rows(target, "id", "price") == [(1, 5), (3, 4)]
            targets.write("id,price\n1,x\n2,8\n3,4\n")
            targets.sync(target)
            assert targets.rows(target, "id", "price") == [(2, 8), (3, 4)]


def test_a_folder_that_cannot_be_written_leaves_everything_as_it_was(files: Files) -> None:
    files.write(FRUIT)
    files.rule()
    files.store.side_files.place(files.path, 2).parent.parent.mkdir(parents=True)
    files.store.side_files.place(files.path, 2).parent.write_text("this is no folder")
    with pytest.raises(ArchiveError, match=r"its quarantined rows cannot be written to .*set QUARANTINE_PATH"):
        files.write("id,price\n1,x\n2,7\n3,2\n")
    assert files.file.record.latest == 1
    files.store.side_files.place(files.path, 2).parent.unlink()
    assert files.write("id,price\n1,x\n2,7\n3,2\n").quarantined == 1


def test_what_a_killed_process_left_of_a_version_is_no_part_of_the_next_one(files: Files) -> None:
    files.write(FRUIT)
    files.rule()
    files.store.side_files.write(files.path, 2, [b"id,price\n9,x\n"])
    assert files.write("id,price\n1,6\n2,7\n3,2\n").number == 2
    assert not files.store.side_files.place(files.path, 2).exists()


def test_the_head_is_read_otherwise_without_its_quarantined_rows(files: Files) -> None:
    files.write("id;x,price\n1;x,5\n2;x,7\n", key=(), format=FormatOptions(delimiter=","))
    files.rule()
    files.write("id;x,price\n1;x,5\n2;x,seven\n3;x,8\n")
    file = files.file
    other = WatcherOptions(format=FormatOptions(delimiter=";"))
    reread = files.store.recorder.reread(file.record, other)
    assert reread is not None
    files.store.catalog.history.reread(file.record, reread)
    assert files.rows() == [(2, ["1", "x,5"]), (4, ["3", "x,8"])]
    assert files.file.version().columns == ("id", "x,price")
    with pytest.raises(OptionError, match="1 of its rows are quarantined as utf-8, so it cannot be read as utf-16"):
        files.store.recorder.reread(files.file.record, WatcherOptions(format=FormatOptions(encoding="utf-16-le")))


def test_an_old_version_is_put_back_with_its_bad_rows(files: Files) -> None:
    files.write(FRUIT)
    files.rule()
    bad = files.write("id,price\n1,x\n2,7\n3,2\n")
    files.write("id,price\n1,5\n2,7\n3,3\n")
    [watcher] = files.store.catalog.watchers.all()
    files.store.recorder.restore(files.path, watcher.options, bad)
    assert Path(files.path).read_text() == "id,price\n1,x\n2,7\n3,2\n"
    version = files.file.version()
    assert (version.number, version.quarantined, files.rows()) == (4, 1, [(3, ["2", "7"]), (4, ["3", "2"])])


def test_receivers_are_told_the_changes_of_what_is_left(files: Files) -> None:
    files.write(FRUIT)
    files.rule()
    files.write("id,price\n1,x\n2,8\n3,2\n")
    told = files.store.told(files.store.catalog.outbox.since(0)[-1])
    assert isinstance(told, VersionChange)
    assert [change.op for change in told.change_set] == ["delete", "update"]


@pytest.mark.parametrize("seed", range(6))
def test_many_versions_have_the_rows_that_are_good_however_they_are_looked_at(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = Files(tmp_path, f"sqlite:///{tmp_path / 'store.db'}", row_limit=rng.choice([5, 1000]))
    key: tuple[str, ...] = ("id",) if seed % 2 else ()
    held: dict[int, str] = {number: str(number) for number in range(40)}
    with contextlib.closing(files.store):
        files.write(text(held, rng), key=key)
        files.rule()
        for _ in range(25):
            for number in rng.sample(sorted(held), rng.choice([1, 2, 15])):
                held[number] = rng.choice(["x", "", "1000", str(rng.randrange(90)), 'a "b"\nc'])
            if rng.random() < 0.3:
                held[max(held) + 1] = rng.choice(["x", "5"])
            content = text(held, rng)
            version = files.write(content)
            good = [[str(number), told] for number, told in held.items() if told.isdecimal() and int(told) <= 100]
            assert version.status == "ok"
            assert [cells for _, cells in files.rows()] == good
            assert (version.rows, version.quarantined) == (len(good), len(held) - len(good))
            base = files.file.version(version.base) if version.base else None
            assert base is None or base.rows is None or version.rows == base.rows + version.inserted - version.deleted
            aside = files.aside()
            assert (aside is None) == (not version.quarantined)
            with files.file.open() as raw:
                assert raw.read() == content.encode()


def test_what_is_left_of_a_large_content_is_stored_as_little_more_than_what_changed(files: Files) -> None:
    held = {number: str(number % 97) for number in range(200_000)}
    files.write(large(held))
    files.rule()
    rng = random.Random(7)
    for round_ in range(4):
        for number in rng.sample(sorted(held), 20):
            held[number] = rng.choice(["x", "", "55", "1000"])
        version = files.write(large(held))
        good = [[str(number), told] for number, told in held.items() if told.isdecimal() and int(told) <= 100]
        assert [cells for _, cells in files.rows()] == good
        assert (version.rows, version.quarantined) == (len(good), len(held) - len(good))
        assert version.clean is not None
        assert files.store.archive.base(version.clean) is not None
        assert files.store.archive.base(version.sha256) is not None
        assert files.store.archive.keys(version.clean, ("id",), version.csv_format.to_text()) is not None
        assert version.checks[0]["is_partial"] is (round_ > 0)
    contents = files.store.archive.contents()
    assert sum(files.store.archive.has_aids(sha256) for sha256 in contents) <= 2
    with contextlib.closing(files.store.archive.open(version.clean or "")) as left:
        assert len(left.read()) < version.size


def large(held: Mapping[int, str]) -> str:
    return "id,price\n" + "".join(f"{number},{told}\n" for number, told in held.items())


def text(held: Mapping[int, str], rng: random.Random) -> str:
    """A content, with line ends of all kinds, and blank lines."""
    rows = ["id,price", *(f"{number},{quoted(told)}" for number, told in held.items())]
    return "".join(row + rng.choice(["\n", "\n", "\r\n", "\r", "\n\n"]) for row in rows)


def quoted(told: str) -> str:
    return '"' + told.replace('"', '""') + '"' if '"' in told else told
