"""Bad input: one clear line on stderr, exit code 2, and the store as before."""

import contextlib
import gzip
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

GOOD = "id,v\n1,x\n2,y\n"
PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)) * 8


@pytest.fixture
def stored(cli: "Cli") -> "Cli":
    """A store with one watcher of good.csv."""
    cli.write("good.csv", GOOD)
    cli("csv_watcher_add", "good.csv", "--name", "good")
    return cli


@pytest.fixture(scope="module")
def shared(shared_cli: "Cli") -> "Cli":
    """A store with one watcher of good.csv, for tests that leave it as it is; bad files lie beside."""
    cli = shared_cli
    cli.write("good.csv", GOOD)
    cli("csv_watcher_add", "good.csv", "--name", "good")
    (cli.folder / "empty_folder").mkdir()
    (cli.folder / "link.csv").symlink_to("good.csv")
    (cli.folder / "linked").symlink_to(cli.folder)
    os.mkfifo(cli.folder / "pipe.csv")
    cli.write("other.csv", GOOD)
    cli.write("twice.csv", "id,v\n1,x\n1,y\n")
    cli.write("picture.csv", PICTURE)
    cli.write("noise.csv", bytes(range(256)) * 8)
    cli.write("latin.csv", "id,v\n1,Köln\n".encode("latin-1"))
    cli.write("packed.csv.gz", gzip.compress(gzip.compress(GOOD.encode())))
    cli.write("packed.csv", tarred(GOOD.encode()))
    cli.write("broken.csv.gz", b"\x1f\x8b\x08\x00broken")
    return cli


def tarred(content: bytes) -> bytes:
    """An archive of tar with one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def refused_as_if_never_asked(cli: "Cli", *arguments: object) -> str:
    """Why a command is refused; the store holds afterwards what it held before."""
    before = cli.content()
    line = cli.refused(*arguments)
    assert cli.content() == before
    return line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["unknown.csv"], ["unknown.csv", "no such file"]),
        (["no/where/unknown.csv"], ["no/where/unknown.csv", "no such file"]),
        (["*.nothing"], ["*.nothing", "no file matches"]),
        (["empty_folder"], ["empty_folder", "no CSV file"]),
        (["pipe.csv"], ["pipe.csv", "a named pipe, no regular file"]),
        (["/dev/zero"], ["/dev/zero", "a device, no regular file"]),
        (["good.csv/x.csv"], ["good.csv/x.csv", "no such file"]),
        (["packed.csv.gz"], ["packed.csv.gz", "gzip file within another compression"]),
        (["packed.csv"], ["packed.csv", "a tar archive; unpack it"]),
        (["picture.csv"], ["picture.csv", "PNG"]),
        (["noise.csv"], ["noise.csv", "no text"]),
        (["broken.csv.gz"], ["broken.csv.gz", "damaged"]),
        (["other.csv", "--key", "nr"], ["other.csv", "'nr'", "id, v"]),
        (["other.csv", "--ignore", "nr"], ["other.csv", "'nr'", "id, v"]),
        (["twice.csv", "--key", "id"], ["twice.csv", "id='1'", "lines 2 and 3"]),
        (["other.csv", "-i", "0"], ["interval", "0"]),
        (["other.csv", "-i", "-1"], ["interval", "-1"]),
        (["other.csv", "-i", "nan"], ["interval"]),
        (["other.csv", "-i", "inf"], ["interval"]),
        (["other.csv", "-i", "soon"], ["soon", "csv_watcher_add --help"]),
        (["other.csv", "-i", "1e300"], ["interval", "a year"]),
        (["other.csv", "--header", "a"], ["--header names 1 column", "line 1 has 2 fields"]),
        (["other.csv", "--settle", "-1"], ["settle", "-1"]),
        (["other.csv", "--skip-lines", "-1"], ["skip-lines", "-1"]),
        (["other.csv", "--encoding", "utf-99"], ["utf-99"]),
        (["latin.csv", "--encoding", "utf-8"], ["latin.csv", "utf-8", "0xf6", "--encoding"]),
        (["other.csv", "--delimiter", "::"], ["delimiter", "'::'"]),
        (["other.csv", "--delimiter", ""], ["delimiter"]),
        (["other.csv", "--quotechar", "''"], ["quotechar"]),
        (["other.csv", "--header", "a,a"], ["header", "a"]),
        (["other.csv", "--name", "a/b"], ["name", "a/b"]),
        (["other.csv", "--name", "good"], ["good", "good.csv"]),
        (["other.csv", "twice.csv", "--name", "two"], ["two"]),
        (["other.csv", "--unknown"], ["--unknown"]),
        (["other.csv", "--key", "id", "--ignore", "id"], ["id"]),
    ],
    ids=" ".join,
)
def test_an_add_that_cannot_be_is_refused(shared: "Cli", arguments: list[str], parts: list[str]) -> None:
    line = refused_as_if_never_asked(shared, "csv_watcher_add", *arguments)
    for part in parts:
        assert part in line


def test_a_refused_add_changes_nothing_that_commands_tell(stored: "Cli") -> None:
    stored.write("twice.csv", "id,v\n1,x\n1,y\n")
    before = stored.state()
    stored.refused("csv_watcher_add", "twice.csv", "--key", "id")
    assert stored.state() == before


def test_a_byte_of_another_encoding_is_told_with_its_line(shared: "Cli") -> None:
    line = refused_as_if_never_asked(shared, "csv_watcher_add", "latin.csv", "--encoding", "utf-8")
    assert re.search(r"\b(after line 1|line 2)\b", line), line


def test_a_first_add_that_is_refused_leaves_no_watcher_and_no_archive(cli: "Cli") -> None:
    cli.write("twice.csv", "id,v\n1,x\n1,y\n")
    cli.refused("csv_watcher_add", "twice.csv", "--key", "id")
    assert cli.state() == ([], [], [])
    assert "no history" in cli.refused("csv_history_list", "twice.csv")


@pytest.mark.parametrize(
    "spelling", ["good.csv", "./good.csv", "../files/good.csv", "link.csv", "linked/good.csv", "/"]
)
def test_a_second_add_by_any_spelling_is_refused(shared: "Cli", spelling: str) -> None:
    path = shared.folder / "good.csv" if spelling == "/" else spelling
    line = refused_as_if_never_asked(shared, "csv_watcher_add", path)
    assert "watched already" in line
    assert "csv_watcher_set" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["csv_watcher_set", "good.csv"],
        ["csv_watcher_set", "good.csv", "-i", "0"],
        ["csv_watcher_set", "good.csv", "--key", "nr"],
        ["csv_watcher_set", "good.csv", "--delimiter", "::"],
        ["csv_watcher_set", "good.csv", "--encoding", "utf-99"],
        ["csv_watcher_set", "unknown.csv", "-i", "5"],
        ["csv_watcher_show", "unknown.csv"],
        ["csv_watcher_delete", "unknown.csv"],
        ["csv_watcher_delete", "other.csv"],
        ["csv_history_list", "unknown.csv"],
        ["csv_history_show", "unknown.csv"],
        ["csv_history_show", "good.csv", "2"],
        ["csv_history_export", "good.csv", "2"],
        ["csv_history_export", "good.csv"],
        ["csv_watch", "unknown.csv", "--once"],
        ["csv_watch", "other.csv", "-i", "0", "--once"],
        ["csv_watch", "other.csv", "-i", "-1", "--once"],
        ["csv_watch", "--once", "--from", "-1"],
        ["csv_watcher_list", "--format", "xml"],
        ["csv_watcher_lsit"],
    ],
    ids=" ".join,
)
def test_a_command_that_cannot_be_is_refused(shared: "Cli", arguments: list[str]) -> None:
    refused_as_if_never_asked(shared, *arguments)


def test_with_v_an_error_has_its_traceback(cli: "Cli") -> None:
    said = cli.notes("-v", "csv_watcher_add", "unknown.csv", code=2)
    assert "Traceback" in said
    assert len([line for line in said.splitlines() if line.startswith("Error: unknown.csv")]) == 1


def test_a_locked_store_is_told_and_nothing_is_stored(stored: "Cli") -> None:
    stored.write("other.csv", GOOD)
    before = stored.state()
    with stored.alone():
        line = stored.refused("csv_watcher_add", "other.csv")
    assert "another process is writing" in line
    assert stored.state() == before
    stored("csv_watcher_add", "other.csv")


@pytest.mark.sqlite
def test_a_read_only_store_is_told_and_nothing_is_stored(stored: "Cli") -> None:
    stored.write("other.csv", GOOD)
    before = stored.state()
    with _read_only(stored.home), stored.within_rights():
        line = stored.refused("csv_watcher_add", "other.csv")
    assert str(stored.home) in line
    assert "rights" in line
    assert stored.state() == before
    with _read_only(stored.home / "watcher_db.db"), stored.within_rights():
        line = stored.refused("csv_watcher_add", "other.csv")
    assert "read-only" in line
    assert stored.state() == before


def test_a_read_only_store_can_still_be_read(stored: "Cli") -> None:
    with _read_only(stored.home), stored.within_rights():
        assert stored.json("csv_watcher_list")[0]["version"] == 1
        assert stored.export("good.csv", 1) == GOOD.encode()


def test_a_home_that_cannot_be_made_is_told(cli: "Cli") -> None:
    cli.write("good.csv", GOOD)
    cli.write("a_file", "")
    cli.environment["CSV_MANAGER_HOME"] = str(cli.folder / "a_file" / "home")
    assert "a_file/home" in cli.refused("csv_watcher_add", "good.csv")


@pytest.mark.sqlite
def test_a_store_that_is_no_database_is_told_and_left_alone(cli: "Cli") -> None:
    cli.write("good.csv", GOOD)
    store = cli.write("../home/watcher_db.db", "this is no database, but somebody's precious text\n" * 100)
    content = store.read_bytes()
    assert "no SQLite database" in cli.refused("csv_watcher_add", "good.csv")
    assert store.read_bytes() == content


def test_an_unreadable_file_is_told_and_nothing_is_stored(stored: "Cli") -> None:
    stored.write("secret.csv", GOOD).chmod(0)
    before = stored.state()
    with stored.within_rights():
        line = stored.refused("csv_watcher_add", "secret.csv")
    assert "secret.csv" in line
    assert "ermission" in line
    assert stored.state() == before


def test_files_that_may_not_grow_are_told_and_nothing_is_stored(stored: "Cli") -> None:
    large = stored.write("large.csv", _incompressible(2_000_000))
    before = stored.state()
    with stored.within_size(500_000):
        line = stored.refused("csv_watcher_add", "large.csv")
    assert "cannot be written" in line
    assert stored.state() == before
    assert "version 1" in stored("csv_watcher_add", large)


def test_a_full_disk_is_told_nothing_is_lost_and_it_goes_on_once_there_is_space(cli: "Cli", tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk") as (disk, mounted):
        cli.home = disk / "home"
        cli.environment["CSV_MANAGER_HOME"] = str(cli.home)
        cli.write("good.csv", GOOD)
        cli("csv_watcher_add", "good.csv")
        content = _incompressible(900_000)
        cli.write("large.csv", content)
        cli.write("good.csv", content)
        before = cli.state()
        with _filled(disk, leave=100_000) if mounted else cli.within_size(200_000):
            line = cli.refused("csv_watcher_add", "large.csv")
            assert ("the disk is full" if mounted else "cannot be written") in line
            said = cli.notes("csv_watch", "--once", code=1)
            assert ("the disk is full" if mounted else "cannot be written") in said
            assert "Traceback" not in said
        [told] = cli.json("csv_watcher_list")
        assert told["version"] == 1
        assert cli.state()[1:] == before[1:]
        cli("csv_watch", "--once")
        cli("csv_watcher_add", "large.csv")
        assert [told["version"] for told in cli.json("csv_watcher_list")] == [2, 1]
        assert cli.export("good.csv", 2) == content


@contextlib.contextmanager
def _read_only(path: Path) -> Iterator[None]:
    """No rights to write a file, or a folder and what is in it."""
    paths = [path, *path.rglob("*")] if path.is_dir() else [path]
    modes = {entry: entry.stat().st_mode for entry in paths}
    for entry, mode in modes.items():
        entry.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for entry, mode in modes.items():
            if entry.exists():
                entry.chmod(mode)


@contextlib.contextmanager
def _small_disk(mount: Path) -> Iterator[tuple[Path, bool]]:
    """A folder, and whether it is a disk of 4 MB, which it is where one may be mounted."""
    mount.mkdir()
    command = [shutil.which("mount") or "false", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield mount, mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(mount)], check=True)


@contextlib.contextmanager
def _filled(disk: Path, *, leave: int) -> Iterator[None]:
    """Take all space of a disk but this many bytes."""
    free = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - leave))
    try:
        yield
    finally:
        filler.unlink()


def _incompressible(size: int) -> bytes:
    """A CSV file of about this many bytes that no compression makes much smaller."""
    return b"id,v\n" + b"".join(b"%d,%s\n" % (number, os.urandom(500).hex().encode()) for number in range(size // 1000))


def test_a_folder_without_rights_is_told_as_that(stored: "Cli") -> None:
    locked = stored.write("locked/data.csv", GOOD).parent
    locked.chmod(0)
    try:
        with stored.within_rights():
            for path in ("locked", "locked/data.csv"):
                line = refused_as_if_never_asked(stored, "csv_watcher_add", path)
                assert f"{path}: Permission denied; check the rights" in line
    finally:
        locked.chmod(0o755)


@pytest.mark.sqlite
def test_a_store_that_is_a_folder_is_told_as_that(cli: "Cli") -> None:
    (cli.home / "watcher_db.db").mkdir(parents=True)
    assert "watcher_db.db: it is a folder" in cli.refused("csv_watcher_list")


def test_output_that_cannot_be_written_is_told(stored: "Cli") -> None:
    for arguments in (["csv_watcher_list"], ["csv_history_export", "good.csv", "1"], ["csv_config_list"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                stored.command(*arguments), stdout=full, stderr=subprocess.PIPE, env=stored.environment,
                cwd=stored.folder, timeout=120, check=False,
            )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert "No space left on device" in done.stderr.decode()
        assert len(done.stderr.splitlines()) == 1


def test_a_closed_stdout_is_no_error(stored: "Cli") -> None:
    for arguments in ("csv_watcher_list", "csv_history_list good.csv", "csv_history_export good.csv 1"):
        script = f"{' '.join(stored.command())} {arguments} >&-"
        done = subprocess.run(
            ["sh", "-c", script],
            stderr=subprocess.PIPE,
            env=stored.environment,
            cwd=stored.folder,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"Error" not in done.stderr


def test_a_path_that_became_no_file_is_unreadable_and_ends_a_check(stored: "Cli") -> None:
    path = stored.folder / "good.csv"
    for become in (os.mkdir, os.mkfifo):
        path.unlink()
        become(path)
        assert "no regular file" in stored.notes("csv_watch", "--once", code=1)
        [told] = stored.json("csv_watcher_list")
        assert (told["state"], told["version"]) == ("unreadable", 1)
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_text(GOOD)
    assert stored("csv_watch", "--once") == ""
    assert stored.json("csv_watcher_list")[0]["state"] == "ok"


def test_a_line_break_in_a_name_breaks_no_line(stored: "Cli") -> None:
    stored.write("two\nlines.csv", GOOD)
    assert r"two\nlines.csv" in stored("csv_watcher_add", "two\nlines.csv").splitlines()[0]
    assert len(stored("csv_watcher_list").splitlines()) == 4


def test_a_refused_set_leaves_how_the_head_is_read(stored: "Cli") -> None:
    stored("csv_watcher_add", "--name", "other", stored.write("other.csv", GOOD))
    line = refused_as_if_never_asked(stored, "csv_watcher_set", "other.csv", "--delimiter", ";", "--name", "good")
    assert "choose another --name" in line
