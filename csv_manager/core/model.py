"""The nouns of csv_manager as frozen values; docs/glossary.rst defines each of them."""

import datetime as dt
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple, Self

from csv_manager.core.errors import OptionError
from csv_manager.core.findings import Finding
from csv_manager.core.retention import Retention

Op = Literal["insert", "update", "delete"]
Cells = Mapping[str, "str | list[str] | None"]

#: The most lines to skip; no file has more before its header.
_MOST_LINES = 2**31 - 1
#: The name under which the surplus fields of a row that is longer than its header stand, as a list.
EXTRA = "_extra"


class Signature(NamedTuple):
    """What the operating system says of a file without reading it: equal means that no one wrote to it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, stat: os.stat_result) -> Self:
        """The signature that a stat tells."""
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The signature that `str(signature)` gave."""
        return cls(*map(int, text.split(":")))

    def __str__(self) -> str:
        return ":".join(map(str, self))


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """What a user said of a file's csv format; None is "find out"."""

    encoding: str | None = None
    delimiter: str | None = None
    quotechar: str | None = None
    header: bool | None = None
    names: tuple[str, ...] | None = None
    skip_lines: int | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise OptionError(
                f"--delimiter must be one character and not {self.delimiter!r}; a tab is $'\\t' or 'tab'."
            )
        if self.quotechar is not None and (len(self.quotechar) > 1 or self.quotechar in ("\r", "\n")):
            raise OptionError(f"--quotechar must be one character, or empty for none, not {self.quotechar!r}.")
        if self.quotechar and self.quotechar == self.delimiter:
            raise OptionError(f"--quotechar and --delimiter are both {self.quotechar!r}.")
        if self.skip_lines is not None and not 0 <= self.skip_lines <= _MOST_LINES:
            raise OptionError(f"--skip-lines must be from 0 to {_MOST_LINES}, not {self.skip_lines}.")
        if self.names is not None and len(set(self.names)) != len(self.names):
            raise OptionError(f"--header repeats a name: {', '.join(self.names)}.")
        if self.encoding is not None:
            _check_encoding(self.encoding)


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    r"""How the bytes of one version are read: found once, or said by the user, then kept with the version.

    `sure` is False while the content was too small to tell the delimiter (an empty file, one column): the next
    version is looked at afresh. `errors` is `backslashreplace` for UTF-8 with a few stray bytes, shown as `\xNN`.
    """

    encoding: str = "utf-8"
    errors: str = "strict"
    delimiter: str = ","
    quotechar: str = '"'
    header: bool = True
    names: tuple[str, ...] | None = None
    skip_lines: int = 0
    compression: str | None = None
    sure: bool = True

    def to_json(self) -> dict[str, Any]:
        """The format as a JSON object."""
        return asdict(self)

    def to_text(self) -> str:
        """The format as one text, the same for the same format."""
        return json.dumps(self.to_json(), sort_keys=True)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The format that `to_json` gave; unknown names of later versions are left out."""
        known = {f.name: value[f.name] for f in fields(cls) if f.name in value}
        if known.get("names") is not None:
            known["names"] = tuple(known["names"])
        return cls(**known)

    def describe(self) -> str:
        """The format in a few words, for people."""
        delimiter = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}.get(self.delimiter, self.delimiter)
        header = "header" if self.header else "names given" if self.names else "no header"
        parts = [delimiter, self.encoding, header]
        parts += [self.compression] if self.compression else []
        parts += [f"{self.skip_lines} line{'' if self.skip_lines == 1 else 's'} skipped"] if self.skip_lines else []
        return ", ".join(parts)


#: What the files of a folder or glob are.
FEEDS = ("files", "series")

#: The longest that anything waits, in seconds: a leap year.
_LONGEST = 366 * 24 * 3600


def check_seconds(name: str, value: float, *, zero: bool = True) -> None:
    """Raise `OptionError` unless `value` is a number of seconds up to a year, more than none unless `zero`."""
    if not (value >= 0 if zero else value > 0):
        raise OptionError(f"{name} must be {'0 seconds or more' if zero else 'more than 0 seconds'}, not {value:g}.")
    if value > _LONGEST:
        raise OptionError(f"{name} must be at most {_LONGEST:,} seconds, a year, not {value:g}.")


@dataclass(frozen=True, kw_only=True)
class WatcherOptions:
    """Everything that a watcher is told; times are in seconds.

    A watcher of a folder, or with `is_glob` of a glob, has a `feed`: `files`, each with a history of its own, or
    `series`, whose files in the order of their paths are the versions of one dataset. `done` is what becomes of a file
    that is recorded and told to every receiver: `keep`, `delete`, or `move:` and a folder. `link` is the path by which
    it was named, where that leads over symbolic links: its files are read through them.
    """

    interval: float = 10
    key: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    format: FormatOptions = field(default_factory=FormatOptions)
    settle: float | None = None
    max_wait: float | None = None
    every: float | None = None
    name: str | None = None
    retention: Retention | None = None
    poll: bool = False
    paused: bool = False
    feed: str | None = None
    is_glob: bool = False
    recursive: bool = False
    exclude: tuple[str, ...] = ()
    done: str = "keep"
    link: str | None = None

    def __post_init__(self) -> None:
        if self.feed not in (None, *FEEDS):
            raise OptionError(f"--feed must be {' or '.join(FEEDS)}, not {self.feed!r}.")
        if self.done not in ("keep", "delete") and not (self.done.startswith("move:") and self.done != "move:"):
            raise OptionError(f"--done must be keep, delete or move:DIR, not {self.done!r}.")
        if isinstance(self.interval, bool) or not isinstance(self.interval, (int, float)):
            raise OptionError(f"--interval must be a number of seconds, not {self.interval!r}.")
        check_seconds("--interval", self.interval, zero=False)
        for option, value in (("--settle", self.settle), ("--max-wait", self.max_wait), ("--every", self.every)):
            if value is not None:
                check_seconds(option, value)
        both = set(self.key) & set(self.ignore)
        if both:
            raise OptionError(f"A key column cannot be ignored: {', '.join(sorted(both))}.")
        if self.name is not None and (not self.name or "/" in self.name or self.name != self.name.strip()):
            raise OptionError(f"--name must be a word without '/', not {self.name!r}.")

    @property
    def done_folder(self) -> str | None:
        """The folder that files are moved to once they are recorded."""
        return self.done.removeprefix("move:") if self.done.startswith("move:") else None

    def of_feed(self, *, is_glob: bool, link: str | None) -> Self:
        """These options for a folder, or for a glob, and the link that it was named by."""
        return replace(self, feed=self.feed or "files", is_glob=is_glob, link=link)

    def alone(self) -> Self:
        """These options for a single file."""
        return replace(self, feed=None, is_glob=False, recursive=False, exclude=(), done="keep", link=None)

    def only_for_feeds(self) -> dict[str, object]:
        """What is told of the options that mean nothing for a single file."""
        return {"--feed": self.feed, "--recursive": self.recursive, "--exclude": self.exclude, "--done": self.done}


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """What happened to the columns between two versions."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.renamed)

    def to_json(self) -> dict[str, Any]:
        """The change as a JSON object."""
        return {"added": list(self.added), "removed": list(self.removed), "renamed": dict(self.renamed)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Self:
        """The change that `to_json` gave."""
        if not value:
            return cls()
        return cls(added=tuple(value["added"]), removed=tuple(value["removed"]), renamed=value["renamed"])

    def describe(self) -> str:
        """The change in a few words, for people; empty if there is none."""
        parts = []
        if self.added:
            parts.append("columns added: " + ", ".join(self.added))
        if self.removed:
            parts.append("columns removed: " + ", ".join(self.removed))
        if self.renamed:
            parts.append("columns renamed: " + ", ".join(f"{a} to {b}" for a, b in self.renamed.items()))
        return "; ".join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class RowChange:
    """One row that was inserted, updated or deleted.

    `line` is the physical line, counted from 1, on which the row starts: in the old content for a delete, in the
    new one otherwise; None if lines were not counted. `key` is None without key columns. Cells are text; a cell
    missing from a short row is None.
    """

    op: Op
    key: Cells | None
    before: Cells | None
    after: Cells | None
    line: int | None

    @property
    def size(self) -> int:
        """How large it is: the characters of its names and cells, and one more for each."""
        return sum(_size(cells) for cells in (self.key, self.before, self.after) if cells)

    def to_json(self, *, csv_file: str, version: int | None, seq: int) -> dict[str, Any]:
        """The row change in the form that it has everywhere: in streams, files and the store."""
        return {
            "csv_file": csv_file,
            "version": version,
            "seq": seq,
            "op": self.op,
            "key": self.key,
            "before": self.before,
            "after": self.after,
            "line": self.line,
        }


def _size(cells: Cells) -> int:
    names = 2 * len(cells) + len("".join(cells))
    try:
        return names + len("".join(cells.values()))  # type: ignore[arg-type] # what is no text is told below
    except TypeError:  # a row is too short, or too long
        told = (cell if isinstance(cell, str) else ",".join(cell) for cell in cells.values() if cell)
        return names + len("".join(told))


#: The status of a version that went through the gate, at once or later; others are `held` or `rejected`.
THROUGH = ("ok", "accepted")


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What is known of a content once it was compared, before it is a version.

    `base` is the version that the changes are told against (None for the first). `size` is in bytes, as the file
    came; `rows` counts data rows, None if the content could not be read. `rule_set` is the uuid of the rules that it
    was checked by, `checks` what each of them came to, and `bad_rows` how many rows an error was found in. So many were
    `quarantined`; then `clean` is the SHA-256 of the content without them, whose rows are those of the version.
    """

    base: int | None
    cause: str
    status: str
    sha256: str
    size: int
    rows: int | None
    inserted: int
    updated: int
    deleted: int
    columns: tuple[str, ...]
    column_change: ColumnChange
    csv_format: CsvFormat
    key: tuple[str, ...]
    ignore: tuple[str, ...]
    findings: tuple[Finding, ...]
    rule_set: str | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    bad_rows: int | None = None
    quarantined: int = 0
    clean: str | None = None

    @property
    def content(self) -> str:
        """The SHA-256 of the content that its rows are read from."""
        return self.clean or self.sha256

    @property
    def reason(self) -> str | None:
        """Why the version is held, if it is: the first finding, and how many errors more there are."""
        errors = [finding for finding in self.findings if finding.level == "error"]
        if not errors:
            return None
        others = sum(finding.rule is None for finding in errors)
        more = others + sum(told["findings"] for told in self.checks if told["level"] == "error") - 1
        return errors[0].told + (f"; {more:,} more finding{'' if more == 1 else 's'}" if more > 0 else "")


@dataclass(frozen=True, kw_only=True)
class Version(Compared):
    """One settled content of a file, as the store knows it.

    `position` is the store-wide number of the first row change. `stored` tells whether the row changes are rows of the
    store or are read from the archive. `run_id` is the run that recorded it. A held one that was let through, or
    closed, was so when it was `decided`, and by whom.
    """

    number: int
    created: dt.datetime
    position: int
    stored: bool
    run_id: int | None = None
    decided: dt.datetime | None = None
    decided_by: str | None = None

    @property
    def is_through(self) -> bool:
        """Whether it went through the gate, at once or when somebody accepted it."""
        return self.status in THROUGH

    def summary(self) -> dict[str, Any]:
        """The version as one row of csv_history_list."""
        return {
            "version": self.number,
            "created": self.created,
            "cause": self.cause,
            "status": self.status,
            "sha256": self.sha256,
            "size": self.size,
            "rows": self.rows,
            "inserted": self.inserted,
            "updated": self.updated,
            "deleted": self.deleted,
        }


def _check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not have."""
    try:
        "".encode(encoding)
    except (LookupError, UnicodeError):
        raise OptionError(f"--encoding {encoding!r} is not known; try utf-8, utf-16, cp1252.") from None
