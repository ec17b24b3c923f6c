"""How programs save a file, as the system calls that each of them makes, replayed."""

import mmap
import os
import shutil
from collections.abc import Callable
from pathlib import Path

Save = Callable[[Path, bytes], object]


def truncate_and_write(path: Path, content: bytes) -> None:
    """A shell's `>`, nano, pandas.to_csv: the file is emptied and written anew."""
    with path.open("wb") as file:
        file.write(content)


def write_and_truncate(path: Path, content: bytes) -> None:
    """Over what is there, the rest is cut off at the end."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def map_and_write(path: Path, content: bytes) -> None:
    """Through memory: the system is told of no write."""
    with path.open("r+b") as file:
        file.truncate(len(content))
        with mmap.mmap(file.fileno(), len(content)) as mapped:
            mapped[:] = content
            mapped.flush()


def vim(path: Path, content: bytes) -> None:
    """A probe of the folder, a swap file, the old file renamed to a backup, the new one written and synced."""
    swap = path.with_name(f".{path.name}.swp")
    swap.write_bytes(b"b0VIM 9.0")
    probe = path.with_name("4913")
    probe.touch()
    probe.unlink()
    backup = path.with_name(f"{path.name}~")
    path.rename(backup)
    _write_and_sync(path, content)
    path.chmod(0o644)
    backup.unlink()
    swap.unlink()


def vim_with_a_copy(path: Path, content: bytes) -> None:
    """With `backupcopy=yes`: the old file copied to a backup, and written over."""
    backup = path.with_name(f"{path.name}~")
    shutil.copy2(path, backup)
    _write_and_sync(path, content)
    backup.unlink()


def emacs(path: Path, content: bytes) -> None:
    """A lock that is a link to nowhere, an autosave, the old file renamed to a backup that stays."""
    lock = path.with_name(f".#{path.name}")
    lock.symlink_to("someone@host.1234:1700000000")
    autosave = path.with_name(f"#{path.name}#")
    autosave.write_bytes(content[: len(content) // 2])
    path.rename(path.with_name(f"{path.name}~"))
    _write_and_sync(path, content)
    lock.unlink()
    autosave.unlink()


def libreoffice(path: Path, content: bytes) -> None:
    """A lock beside it, a temporary file written, and renamed over it."""
    lock = path.with_name(f".~lock.{path.name}#")
    lock.write_bytes(b",someone,host,01.01.2026 12:00,file:///home/someone;")
    beside = path.with_name("lu3141592.tmp")
    beside.touch()
    _write_and_sync(beside, content)
    beside.rename(path)
    lock.unlink()


def excel(path: Path, content: bytes) -> None:
    """A lock, the new file under eight digits, the old one renamed away, the new one in its place."""
    lock = path.with_name(f"~${path.name}")
    lock.write_bytes(b"\x07Someone")
    new, old = path.with_name("5A3B6C7D"), path.with_name("9E8F7A6B.tmp")
    new.write_bytes(content)
    path.rename(old)
    new.rename(path)
    old.unlink()
    lock.unlink()


def sed_in_place(path: Path, content: bytes) -> None:
    """A temporary file without an ending, with the mode of the old one, renamed over it."""
    beside = path.with_name("sedK4x2Pq")
    beside.write_bytes(content)
    shutil.copymode(path, beside)
    beside.rename(path)


def gnome(path: Path, content: bytes) -> None:
    """GLib's programs: a hidden stream that is renamed over it."""
    beside = path.with_name(".goutputstream-8ZQ1X2")
    _write_and_sync(beside, content)
    beside.rename(path)


def atomic_write(path: Path, content: bytes) -> None:
    """Careful scripts: a temporary file with the ending added, synced, put in place, the folder synced."""
    beside = path.with_name(f"{path.name}.tmp")
    _write_and_sync(beside, content)
    os.replace(beside, path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def rsync(path: Path, content: bytes) -> None:
    """A hidden file with six letters more, written in blocks, its time set, renamed over it."""
    beside = path.with_name(f".{path.name}.h2Xk9Q")
    with beside.open("wb", buffering=0) as file:
        for start in range(0, len(content), 1024):
            file.write(content[start : start + 1024])
    os.utime(beside, (1_700_000_000, 1_700_000_000))
    beside.rename(path)


def rsync_in_place(path: Path, content: bytes) -> None:
    """With `--inplace`: only the blocks that differ are written, and the time is set to the source's."""
    old = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for start in range(0, len(content), 700):
            block = content[start : start + 700]
            if old[start : start + 700] != block:
                file.seek(start)
                file.write(block)
        file.truncate(len(content))
    os.utime(path, (1_700_000_000, 1_700_000_000))


def copy_over(path: Path, content: bytes) -> None:
    """`cp new.csv data.csv` with `--preserve`: emptied, written, and the time set."""
    source = path.parent.parent / f"source-{path.name}"
    source.write_bytes(content)
    os.utime(source, (1_600_000_000, 1_600_000_000))
    shutil.copyfile(source, path)
    shutil.copystat(source, path)
    source.unlink()


def move_over(path: Path, content: bytes) -> None:
    """`mv new.csv data.csv` from another folder."""
    source = path.parent.parent / f"source-{path.name}"
    source.write_bytes(content)
    source.rename(path)


def remove_and_make(path: Path, content: bytes) -> None:
    """The old one is gone for a moment."""
    path.unlink()
    truncate_and_write(path, content)


def replace_by_link(path: Path, content: bytes) -> None:
    """The new file gets its name as a hard link."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    path.unlink()
    os.link(beside, path)
    beside.unlink()


PATTERNS: tuple[Save, ...] = (
    truncate_and_write,
    write_and_truncate,
    map_and_write,
    vim,
    vim_with_a_copy,
    emacs,
    libreoffice,
    excel,
    sed_in_place,
    gnome,
    atomic_write,
    rsync,
    rsync_in_place,
    copy_over,
    move_over,
    remove_and_make,
    replace_by_link,
)

#: Programs that may be on this machine: the command, in which NEW is a file with the content and FILE the file.
PROGRAMS: dict[str, tuple[str, ...]] = {
    "vim": ("vim", "-N", "-u", "NONE", "-i", "NONE", "-es", "-c", "%!cat NEW", "-c", "wq", "FILE"),
    "ed": ("sh", "-c", "printf '%s\\n' ',d' '0r NEW' w q | ed -s 'FILE'"),
    "sed": ("sed", "-i", "-n", "1r NEW", "FILE"),
    "cp": ("cp", "NEW", "FILE"),
    "cp with times": ("cp", "--preserve=all", "NEW", "FILE"),
    "mv": ("mv", "NEW", "FILE"),
    "install": ("install", "-m", "644", "NEW", "FILE"),
    "rsync": ("rsync", "--times", "--ignore-times", "NEW", "FILE"),
    "rsync in place": ("rsync", "--inplace", "--times", "--ignore-times", "NEW", "FILE"),
    "dd": ("dd", "if=NEW", "of=FILE", "bs=512", "status=none"),
    "tee": ("sh", "-c", "tee 'FILE' < 'NEW' > /dev/null"),
    "a shell": ("sh", "-c", "cat 'NEW' > 'FILE'"),
}


def _write_and_sync(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
