"""Recording, pruning and restoring through the store: nothing is lost that is not safe yet."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from csv_manager.core.errors import StaleWatcherError, TornReadError, VersionNotFoundError
from csv_manager.core.model import FormatOptions, Signature, WatcherOptions
from csv_manager.core.retention import Retention
from csv_manager.framework.target_databases import TargetDatabases
from csv_manager.pipeline.listening import Listening
from csv_manager.pipeline.runtime import Defaults, Runtime
from csv_manager.pipeline.store import File, Store
from csv_manager.pipeline.syncing import Syncing

KEYED = WatcherOptions(key=("id",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.csv"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store that keeps the row changes of a version in SQL if it is only one."""
    with Store(url=f"sqlite:///{tmp_path / 'watcher_db.db'}", archive=tmp_path / "archive", row_limit=1) as opened:
        yield opened


def record(store: Store, path: Path, *contents: str, options: WatcherOptions = KEYED, encoding: str = "utf-8") -> File:
    for content in contents:
        path.write_text(content, encoding=encoding)
        store.recorder.record(str(path), options)
    return store.file(path)


def numbers(file: File) -> list[int]:
    return [version.number for version in file.versions()]


def content(file: File, number: int) -> str:
    with file.open(number) as raw:
        return raw.read().decode()


EDITS = [f"id,v\n1,{number}\n" for number in range(5)]


def test_what_a_receiver_was_not_told_is_not_pruned(store: Store, path: Path) -> None:
    file = record(store, path, *EDITS[:1])
    store.catalog.outbox.register("receiver", replay=False)
    file = record(store, path, *EDITS[1:])
    assert store.doomed(file, Retention(keep=1)) == [4, 3, 2, 1]
    assert store.doomed(file, Retention(keep=1), ["receiver"]) == [1]
    assert store.catalog.outbox.claim("receiver", "me") == 1
    store.catalog.outbox.advance("receiver", "me", 3)
    assert store.doomed(file, Retention(keep=1), ["receiver"]) == [3, 2, 1]


def test_what_a_receiver_could_not_be_told_without_is_not_pruned(store: Store, path: Path) -> None:
    many = [f"id,v\n1,{number}\n2,{number}\n" for number in range(4)]
    record(store, path, *many[:2])
    store.catalog.outbox.register("receiver", replay=False)
    file = record(store, path, *many[2:])
    assert [version.stored for version in file.versions()] == [False] * 4
    doomed = store.doomed(file, Retention(keep=1), ["receiver"])
    assert doomed == [1]  # version 3 is to be told yet, and was compared with version 2
    store.prune([(file, doomed)])
    told = [store.told(entry) for entry in store.catalog.outbox.since(4)]
    assert [change and change.version for change in told] == [3, 4]
    assert [len(list(change.updated)) for change in told if change] == [2, 2]


def test_a_version_of_which_the_row_changes_are_gone_is_told_to_nobody(
    store: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = record(store, path, "id,v\n1,a\n2,a\n", "id,v\n1,b\n2,b\n", "id,v\n1,b\n2,c\n")
    store.prune([(file, [1])])
    assert [entry.version for entry in store.catalog.outbox.since(0)] == [2, 3]
    told = [store.told(entry) for entry in store.catalog.outbox.since(0)]
    assert [change and change.version for change in told] == [None, 3]
    assert "the row changes of version 2 were against version 1, which was pruned" in caplog.text


def test_several_files_are_pruned_at_once_and_keep_what_is_not_theirs(store: Store, path: Path) -> None:
    other = path.with_name("other.csv")
    files = record(store, path, *EDITS), record(store, other, *EDITS[1:])
    store.prune([(files[0], [1, 2]), (files[1], [1])])
    assert [numbers(file) for file in files] == [[5, 4, 3], [4, 3, 2]]
    assert [content(files[0], number) for number in (3, 4, 5)] == EDITS[2:]
    assert [len(list(file.changes(3))) for file in files] == [1, 1]
    assert len(store.archive.contents()) == 3
    assert [(entry.path, entry.version) for entry in store.catalog.outbox.since(0)] == [
        *((str(path), number) for number in (3, 4, 5)),
        *((str(other), number) for number in (2, 3, 4)),
    ]


def test_what_is_written_while_a_version_is_put_back_is_recorded_before(store: Store, path: Path) -> None:
    file = record(store, path, *EDITS[:2])
    outcome = store.recorder.restore(
        str(path), KEYED, file.version(1), lambda _: path.write_text("id,v\nimportant,x\n") and None
    )
    assert (outcome.number, path.read_text()) == (4, EDITS[0])
    assert content(store.file(path), 3) == "id,v\nimportant,x\n"
    assert list(path.parent.glob(".data.csv*")) == []


def test_a_file_that_never_rests_is_not_replaced(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = record(store, path, *EDITS[:2])
    record_settled = store.recorder._record_settled

    def busy(*arguments: object, **options: object) -> object:
        outcome = record_settled(*arguments, **options)  # type: ignore[arg-type]
        path.write_text("id,v\nlater,x\n")
        return outcome

    monkeypatch.setattr(store.recorder, "_record_settled", busy)
    with pytest.raises(TornReadError, match=r"data\.csv changed while it was read"):
        store.recorder.restore(str(path), KEYED, file.version(1), lambda _: None)
    assert path.read_text() == "id,v\nlater,x\n"
    assert list(path.parent.glob(".data.csv*")) == []


def test_keys_that_were_hashed_in_another_encoding_prove_nothing(store: Store, path: Path) -> None:
    rows = "".join(f"é{number},some more text in this row\n" for number in range(60_000))
    latin = dataclasses.replace(KEYED, format=FormatOptions(encoding="latin-1"))
    file = record(store, path, "id,v\n" + rows, options=latin)
    reread = store.recorder.reread(file.record, KEYED)
    assert reread is not None
    assert reread.csv_format.encoding == "utf-8"
    store.catalog.history.add_watcher(str(path), KEYED, None, reread)
    file = record(store, path, "id,v\n" + rows + "é5,again\n")
    assert file.latest().status == "held"  # type: ignore[union-attr]


def test_the_aids_of_a_content_that_is_anothers_head_too_stay(store: Store, path: Path) -> None:
    other = path.with_name("other.csv")
    large = [
        "id,v\n" + "".join(f"{number},{edit if number == 9 else 0}\n" for number in range(30_000)) for edit in "ab"
    ]
    record(store, other, large[0])
    file = record(store, path, *large)
    record(store, other, large[1] + "x,y\n")
    digests = [
        store.archive.content(version.sha256).digests for version in (*file.versions(), store.file(other).version(2))
    ]
    assert [known is not None for known in digests] == [True, False, True]
    assert store.archive.base(store.file(other).version(2).sha256) == file.version(1).sha256


def test_what_nobody_foresaw_is_a_failure_of_its_file(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr(store.recorder, "record", fail)
    path.write_text(EDITS[0])
    states: list[tuple[str, str | None]] = []
    runtime = Runtime(
        lambda: store,
        Defaults(settle=0.01),
        Syncing(lambda: store, TargetDatabases(dict), print),
        Listening(frozenset),
        check=lambda: None,
        on_version=lambda _: None,
        on_state=lambda _, state, reason: states.append((state, reason)),
    )
    runtime.watch(str(path), KEYED)
    runtime.start()
    try:
        assert runtime.service.wait_at_rest(30)
    finally:
        runtime.stop()
    assert states == [("failing", f"{path}: ZeroDivisionError: nobody foresaw it")]
    assert runtime.failed == {str(path)}
    assert store.catalog.history.files()[str(path)].state == "failing"


def blamed(file: File) -> dict[str, int | None]:
    """The version that set each row of the head, by the row's first cell."""
    return {row.cells[0]: version.number if version else None for row, version in file.blame()}


@pytest.mark.parametrize("key", [("id",), ()])
@pytest.mark.parametrize("stored", [True, False])
def test_what_a_version_set_that_is_kept_is_blamed_on_it_whatever_was_pruned(
    store: Store, path: Path, key: tuple[str, ...], *, stored: bool
) -> None:
    options = WatcherOptions(key=key)
    store.recorder._comparer._row_limit = 100 if stored else 0
    rows = ["1,a\n2,a\n3,a\n4,a\n4,a\n" if not key else "1,a\n2,a\n3,a\n4,a\n"]
    rows += [
        rows[0].replace("2,a", "2,b"),
        rows[0].replace("2,a", "2,c"),
        rows[0].replace("2,a", "2,c").replace("3,a", "3,d"),
    ]
    file = record(store, path, *("id,v\n" + content for content in rows), options=options)
    assert blamed(file) == {"1": 1, "2": 3, "3": 4, "4": 1}
    store.prune([(file, [3])])
    assert blamed(file) == {"1": 1, "2": None, "3": 4 if stored else None, "4": 1}
    store.prune([(file, [2])])
    assert blamed(file) == {"1": 1, "2": None, "3": 4 if stored else None, "4": 1}
    store.prune([(file, [1])])
    assert blamed(file) == {"1": None, "2": None, "3": 4 if stored else None, "4": None}


def test_where_the_key_changed_beside_what_was_pruned_nobody_is_blamed(store: Store, path: Path) -> None:
    record(store, path, "id,v\n1,a\n1,b\n", "id,v\n1,a\n2,b\n", options=WatcherOptions())
    file = record(store, path, "id,v\n1,a\n2,c\n", "id,v\n1,a\n2,d\n")
    store.prune([(file, [2, 3])])
    assert blamed(file) == {"1": None, "2": 4}


@pytest.mark.parametrize("number", ["0", "3", "9" * 30])
def test_a_number_that_no_version_has_is_told(store: Store, path: Path, number: str) -> None:
    file = record(store, path, *EDITS[:2])
    with pytest.raises(VersionNotFoundError, match=rf"has no version '{number}'; there are versions 1 to 2"):
        file.version(number)


def test_a_column_that_was_renamed_on_the_way_hides_no_row(store: Store, path: Path) -> None:
    contents = "id,v\n1,a\n2,b\n", "id,w\n1,a\n2,b\n", "id,w\n1,a\n2,c\n"
    file = record(store, path, *contents, options=WatcherOptions())
    assert blamed(file) == {"1": 1, "2": 3}
    store.prune([(file, [2])])
    assert blamed(file) == {"1": 1, "2": None if not file.version(3).stored else 3}


def test_an_ignored_cell_does_not_hide_who_set_its_row(store: Store, path: Path) -> None:
    options = WatcherOptions(ignore=("ts",))
    contents = "id,v,ts\n1,a,10\n2,b,10\n", "id,v,ts\n1,a,11\n2,c,11\n"
    assert blamed(record(store, path, *contents, options=options)) == {"1": 1, "2": 2}


def test_a_content_that_is_not_in_the_encoding_that_was_said_is_held(store: Store, path: Path) -> None:
    options = WatcherOptions(format=FormatOptions(encoding="utf-16"))
    file = record(store, path, "id,v\n1,a\n", options=options, encoding="utf-16")
    record(store, path, "id,v\n1,b\n", options=options)
    latest = store.file(path).latest()
    assert latest is not None
    assert (latest.number, latest.status) == (2, "held")
    assert re.search(r"is not utf-16: .*does not start with BOM; say what it is", latest.findings[0].message)
    record(store, path, "id,v\n1,c\n", options=options, encoding="utf-16")
    assert [change.op for change in file.changes(3)] == ["delete", "insert"]


@pytest.mark.parametrize("is_changed", [True, False], ids=["changed", "deleted"])
def test_nothing_is_recorded_for_a_watcher_that_is_no_longer_what_it_was(
    store: Store, path: Path, is_changed: bool
) -> None:
    file = record(store, path, EDITS[0])
    store.catalog.history.add_watcher(file.path, KEYED, None)
    [watcher] = store.catalog.watchers.all()
    path.write_text(EDITS[1])
    store.recorder.record(file.path, KEYED, watcher_id=watcher.id)
    path.write_text(EDITS[2])
    if is_changed:
        store.catalog.history.change_watcher(watcher, WatcherOptions(), None, None)
    else:
        store.catalog.watchers.delete(watcher)
    with pytest.raises(StaleWatcherError):
        store.recorder.record(file.path, KEYED, watcher_id=watcher.id)
    assert numbers(file) == [2, 1]


def test_what_changed_since_it_settled_is_not_read(store: Store, path: Path) -> None:
    file = record(store, path, EDITS[0])
    path.write_text(EDITS[1])
    settled = Signature.of(path.stat())
    path.write_text("")  # the next writer has begun
    with pytest.raises(TornReadError):
        store.recorder.record(file.path, KEYED, settled=settled)
    path.write_text(EDITS[2])
    store.recorder.record(file.path, KEYED, settled=Signature.of(path.stat()))
    assert [content(file, number) for number in (1, 2)] == [EDITS[0], EDITS[2]]
