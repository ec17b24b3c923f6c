"""That a key is unique is proven by what differs and by hashes; only what these cannot exclude is read as a whole."""

import random
from pathlib import Path

import pytest
from counting import Counting

from csv_manager.archive.keyfiles import KeyFile, load_keys, store_keys
from csv_manager.core.diff import diff
from csv_manager.core.errors import DuplicateKeyError
from csv_manager.core.key_hashes import BuiltHashes, ChangedHashes, KeyHashes, key_hash
from csv_manager.core.keys import check_key
from csv_manager.core.model import CsvFormat
from csv_manager.core.plain import PlainStream
from csv_manager.core.reading import Table

KEYS = [f"key {number}" for number in range(5000)]
ROWS = 200_000
FORM = CsvFormat().to_text()


def rows(*changed: tuple[int, str]) -> str:
    """Rows with keys from 0 on, where some lines read otherwise."""
    lines = ["id,v", *(f"{number},x" for number in range(ROWS))]
    for line, text in changed:
        lines[line] = text
    return "\n".join([*lines, ""])


def table(content: str) -> tuple[Table, Counting]:
    plain = Counting(content.encode())
    return Table(lambda: PlainStream(plain), CsvFormat(), "data.csv"), plain


def known(content: str, *, with_hashes: bool) -> Table:
    """A content that was recorded with its key."""
    old, _ = table(content)
    check_key(old, ["id"])
    if not with_hashes:
        old.unique[("id",)] = None
    return old


def built(keys: list[str]) -> BuiltHashes:
    hashes = BuiltHashes()
    for key in keys:
        hashes.add(key_hash(key))
    return hashes


def hashed(*keys: str) -> list[int]:
    return [key_hash(key) for key in keys]


@pytest.mark.parametrize("with_hashes", [True, False])
@pytest.mark.parametrize("changed", [[(7, "6,new")], [(7, "6,new"), (20_000, "19999,y")], [(7, "")]])
def test_updates_and_deletes_prove_the_key_by_what_differs(changed: list[tuple[int, str]], with_hashes: bool) -> None:
    old = known(rows(), with_hashes=with_hashes)
    new, plain = table(rows(*changed))
    assert sum(diff(old, new, key=["id"]).counts) == len(changed)
    assert plain.count < 1.3 * plain.size
    assert (new.unique[("id",)] is not None) == with_hashes


def test_a_row_that_comes_is_looked_up_among_the_hashes() -> None:
    old = known(rows(), with_hashes=True)
    new, plain = table(rows((7, "6,x\nnew,x")))
    assert diff(old, new, key=["id"]).counts == (1, 0, 0)
    assert plain.count < 1.3 * plain.size
    hashes = new.unique[("id",)]
    assert hashes is not None
    assert hashes.may_hold(hashed("new"))
    assert not hashes.may_hold(hashed("newer"))


def test_a_row_that_comes_is_looked_for_in_the_content_where_hashes_are_not_known() -> None:
    old = known(rows(), with_hashes=False)
    new, plain = table(rows((7, "6,x\nnew,x")))
    assert diff(old, new, key=["id"]).counts == (1, 0, 0)
    assert plain.count > 1.9 * plain.size
    hashes = new.unique[("id",)]
    assert hashes is not None
    assert hashes.may_hold(hashed("new"))


@pytest.mark.parametrize("with_hashes", [True, False])
@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ([(7, "6,x\n199000,x")], "9 and 199003"),
        ([(7, "199000,x")], "8 and 199002"),
        ([(7, "6,x\n6,x")], "8 and 9"),
        ([(7, "new,x"), (9, "new,y")], "8 and 10"),
        ([(7, "6,x\nnew,x"), (9, "new,y")], "9 and 11"),
    ],
)
def test_a_key_that_comes_a_second_time_is_refused(
    changed: list[tuple[int, str]], lines: str, with_hashes: bool
) -> None:
    old = known(rows(), with_hashes=with_hashes)
    new, _ = table(rows(*changed))
    with pytest.raises(DuplicateKeyError, match=f"in lines {lines};"):
        diff(old, new, key=["id"])


def test_a_hash_that_two_keys_share_is_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_manager.core.keys.key_hash", lambda key: len(str(key)))
    old, _ = table(rows())
    check_key(old, ["id"])
    new, _ = table(rows((7, "6,x\nnew,x")))
    assert diff(old, new, key=["id"]).counts == (1, 0, 0)


def test_hashes_tell_what_is_not_there_whatever_came_and_went() -> None:
    hashes: KeyHashes = built(KEYS)
    assert not any(hashes.may_hold(hashed(f"{key}?")) for key in KEYS)
    assert all(hashes.may_hold(hashed(key, "none")) for key in KEYS)
    changed = ChangedHashes(hashes, hashed(*KEYS[:2500]), hashed("new"))
    assert not changed.may_hold(hashed(*KEYS[:2500]))
    assert all(changed.may_hold(hashed(key)) for key in [*KEYS[2500:], "new"])


def test_equal_keys_have_equal_hashes_and_others_have_others() -> None:
    keys: list[object] = ["", "a", None, ("a", "b"), ("a", None), ("a", ""), ("a,b",), "\ud800"]
    assert len({key_hash(key) for key in keys}) == len(keys)
    assert key_hash("a" + "b" * 2) == key_hash("abb")


def test_hashes_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "a.keys"
    store_keys(path, ["id"], FORM, ChangedHashes(built(KEYS), hashed(KEYS[0]), hashed("new")))
    found = load_keys(path, ["id"], FORM)
    assert found is not None
    assert all(found.may_hold(hashed(key)) for key in [*KEYS[1:], "new"])
    assert not found.may_hold(hashed(KEYS[0], "newer"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.keys"]


def test_hashes_of_another_key_are_none(tmp_path: Path) -> None:
    store_keys(tmp_path / "a.keys", ["id"], FORM, built(KEYS))
    assert load_keys(tmp_path / "a.keys", ["name"], FORM) is None
    assert load_keys(tmp_path / "a.keys", ["id"], CsvFormat(encoding="latin-1").to_text()) is None
    assert load_keys(tmp_path / "b.keys", ["id"], FORM) is None


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_excludes_nothing(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "a.keys"
    store_keys(path, ["id"], FORM, built(KEYS))
    data = bytearray(path.read_bytes())
    place = random.Random(seed).randrange(len(data))
    data[place] ^= 1
    path.write_bytes(data if seed else data[:place])
    found = load_keys(path, ["id"], FORM)
    assert found is None or all(found.may_hold(hashed(key)) for key in KEYS)


def test_a_lost_file_excludes_nothing_and_makes_no_other(tmp_path: Path) -> None:
    store_keys(tmp_path / "a.keys", ["id"], FORM, built(KEYS))
    found = load_keys(tmp_path / "a.keys", ["id"], FORM)
    assert isinstance(found, KeyFile)
    (tmp_path / "a.keys").unlink()
    assert found.may_hold(hashed("none"))
    store_keys(tmp_path / "b.keys", ["id"], FORM, found)
    store_keys(tmp_path / "c.keys", ["id"], FORM, ChangedHashes(found, [], hashed("new")))
    assert list(tmp_path.iterdir()) == []


def test_the_same_hashes_are_stored_once(tmp_path: Path) -> None:
    store_keys(tmp_path / "a.keys", ["id"], FORM, built(KEYS))
    found = load_keys(tmp_path / "a.keys", ["id"], FORM)
    assert found is not None
    store_keys(tmp_path / "b.keys", ["id"], FORM, found)
    assert (tmp_path / "a.keys").samefile(tmp_path / "b.keys")


def test_hashes_that_cannot_be_written_are_told_and_spared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store_keys(tmp_path / "no folder" / "a.keys", ["id"], FORM, built(KEYS))
    assert list(tmp_path.iterdir()) == []
    assert "a.keys cannot be written: No such file or directory; the next comparison takes longer." in caplog.text
