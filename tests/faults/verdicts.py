"""What a scenario comes to: the contents that were let rest, held against the versions that a store has of them."""

import collections
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cli

    from csv_manager.pipeline.store import Store

#: The scenarios whose verdicts are published, in the order of the table.
SCENARIOS = (
    "SIGKILL at random during edits",
    "a slow writer, the file held open",
    "a slow writer, the file opened for each chunk",
    "many files rewritten at once",
    "many new files at once",
    "events lost to an overflow of their queue",
    "save patterns of programs, replayed",
    "saves by real programs",
    "a folder deleted or moved away, and there again",
    "a path that becomes a link",
    "no room on the disk, and room again",
    "the store locked by another process",
    "two services on one store",
    "a drop folder that two services empty",
    "the clock set back and forward",
    "file times in the past and the future",
    "unreadable, and readable again",
)
#: The file that each verdict is appended to as a line of JSON, if it is set.
LEDGER_VARIABLE = "CSV_MANAGER_FAULTS_LEDGER"

#: Seconds that a file must rest: so many that even a busy machine seldom holds a writer up for longer in its middle.
SETTLE = 0.3
#: Seconds without any new version after which those that are missing are taken to never come.
_PATIENCE = 150
_POLL_SECONDS = 0.02
#: The versions whose bytes are read back, if a scenario has more.
_MOST_READ = 1000


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much of a fault there is: `bounded` for every run of the tests, `full` for `nox -s faults`."""

    #: Edits that a service is killed in.
    edits: int
    #: Files that are written at once.
    files: int
    #: Contents that a slow writer writes, and its seconds between two chunks.
    slow_contents: int
    slow_pause: float
    #: Seconds for which the store is locked.
    locked: float
    #: Rounds of what is repeated otherwise.
    rounds: int
    #: Seconds that a test may take.
    limit: int


SCALES = {
    "bounded": Scale(edits=50, files=200, slow_contents=1, slow_pause=0.08, locked=8, rounds=2, limit=900),
    "full": Scale(edits=500, files=20_000, slow_contents=5, slow_pause=0.5, locked=60, rounds=10, limit=7200),
}
SCALE = SCALES[os.environ.get("CSV_MANAGER_FAULTS_SCALE") or "bounded"]
#: The mark of a module whose tests take as long as the scale says.
takes_its_time = pytest.mark.timeout(SCALE.limit)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The counts of a scenario; `lost`, `doubled` and `wrong` are to be zero.

    `settled` contents rested until they were read, or were the last of their file; `recorded` are the versions in the
    store. A settled content without a version is lost. A version too many is doubled if its content was a settled one,
    and wrong if not: a torn or passing content, or a file that nobody watches. A version that does not come back byte
    for byte is wrong too.
    """

    scenario: str
    settled: int
    recorded: int
    lost: int
    doubled: int
    wrong: int


@dataclass(frozen=True, kw_only=True)
class Written:
    """A content by its SHA-256; one that did not certainly rest `may` be a version, but need not."""

    sha256: str
    may: bool = False


def align(written: Sequence[Written], recorded: Sequence[str]) -> tuple[int, list[str]]:
    """How many settled contents are no version, and the versions too many, for the fewest of both together."""
    if [content.sha256 for content in written if not content.may] == list(recorded):
        return 0, []
    rows, columns = len(written), len(recorded)
    # cost[i][j]: of what is left from the i-th content and the j-th version on.
    cost = [[columns - j for j in range(columns + 1)] for _ in range(rows + 1)]
    for i, j in itertools.product(reversed(range(rows)), reversed(range(columns + 1))):
        skipped = cost[i + 1][j] + (not written[i].may)
        too_many = cost[i][j + 1] + 1 if j < columns else skipped
        same = cost[i + 1][j + 1] if j < columns and written[i].sha256 == recorded[j] else skipped
        cost[i][j] = min(skipped, too_many, same)
    lost, extra, i, j = 0, list[str](), 0, 0
    while i < rows:
        if j < columns and written[i].sha256 == recorded[j] and cost[i][j] == cost[i + 1][j + 1]:
            i, j = i + 1, j + 1
        elif j < columns and cost[i][j] == cost[i][j + 1] + 1:
            extra.append(recorded[j])
            j += 1
        else:
            lost += not written[i].may
            i += 1
    return lost, [*extra, *recorded[j:]]


class Account:
    """The contents that a scenario writes, file by file, and their verdict."""

    def __init__(self, scenario: str, cli: "Cli", ledger: Any, store: "Store") -> None:
        assert scenario in SCENARIOS
        self.scenario = scenario
        self._cli = cli
        self._ledger = ledger
        self._store = store
        self._written: dict[str, list[Written]] = {}

    def note(self, path: Path, content: bytes, *, may: bool = False) -> None:
        """Take in that a file holds a content now, and will until `wait` has returned, unless it only `may`."""
        # The file itself may be a link now, or a folder, or gone.
        name = os.path.join(os.path.realpath(path.parent), path.name)
        digest = hashlib.sha256(content).hexdigest()
        self._written.setdefault(name, []).append(Written(sha256=digest, may=may))

    def put(self, path: Path, content: bytes, how: Callable[[Path, bytes], object] = Path.write_bytes) -> None:
        """Write a file in some way; it is to rest until `wait` has returned."""
        begun = time.monotonic()
        how(path, content)
        if time.monotonic() - begun >= SETTLE:
            # This machine held the writer up, between emptying the file and writing it for all that is known.
            self.note(path, b"", may=True)
        self.note(path, content)

    def write(self, path: Path, content: bytes, how: Callable[[Path, bytes], object] = Path.write_bytes) -> None:
        """Write a file in some way, and wait until its content is recorded."""
        self.put(path, content, how)
        self.wait()

    def wait(self) -> None:
        """Wait until every file's newest version is what was written last, for as long as versions come."""
        wanted = {(path, contents[-1].sha256) for path, contents in self._written.items()}
        before, deadline = set[tuple[str, str]](), 0.0
        while missing := wanted - (newest := self._ledger.newest()):
            if newest != before:
                before, deadline = newest, time.monotonic() + _PATIENCE
            assert time.monotonic() < deadline, f"{len(missing)} contents wait in vain, such as {min(missing)}"
            time.sleep(_POLL_SECONDS if len(wanted) < _MOST_READ else 1)

    def verdict(self) -> Verdict:
        """The counts as they stand."""
        recorded = self._ledger.histories()
        lost = doubled = wrong = 0
        for path in {*self._written, *recorded}:
            written = self._written.get(path, [])
            missing, extra = align(written, recorded.get(path, []))
            known = {content.sha256 for content in written}
            lost += missing
            doubled += sum(sha256 in known for sha256 in extra)
            wrong += sum(sha256 not in known for sha256 in extra)
        return Verdict(
            scenario=self.scenario,
            settled=sum(not content.may for contents in self._written.values() for content in contents),
            recorded=sum(map(len, recorded.values())),
            lost=lost,
            doubled=doubled,
            wrong=wrong + self._unlike(recorded),
        )

    def check(self, settled: int) -> None:
        """Nothing is lost, doubled or wrong, of so many contents; each version was told of once, in its order."""
        assert self._cli("csv_watch", "--once") == "", "one more check found more versions"
        verdict = self.verdict()
        assert (verdict.lost, verdict.doubled, verdict.wrong) == (0, 0, 0), verdict
        assert verdict.settled == settled > 0, verdict
        told = collections.Counter(self._ledger.ask("SELECT file_id, version FROM csv_outbox"))
        assert told == collections.Counter(self._ledger.ask("SELECT file_id, number FROM csv_versions"))
        self._check_events()
        for numbers in self._ledger.numbers().values():
            assert numbers == list(range(1, len(numbers) + 1))
        assert self._ledger.is_sound()

    def _check_events(self) -> None:
        """The event record has each version once, and no run in it goes on still."""
        told = self._ledger.ask(
            "SELECT named_file_fingerprint, mark FROM named_paths_group_run "
            "JOIN named_file ON named_file.uuid = named_file_uuid WHERE status <> 'started'"
        )
        versions = self._ledger.ask("SELECT sha256, number FROM csv_versions")
        recorded = [(sha256, str(number)) for sha256, number in versions]
        assert collections.Counter(told) == collections.Counter(recorded)
        assert self._ledger.ask("SELECT uuid FROM named_paths_group_run WHERE status = 'started'") == []

    def append_to(self, ledger: Path) -> None:
        """Add the verdict to a file of verdicts."""
        with ledger.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(self.verdict())) + "\n")

    def _unlike(self, recorded: dict[str, list[str]]) -> int:
        """How many versions do not come back byte for byte; of very many versions, of a part."""
        every = [(path, number, sha) for path, shas in recorded.items() for number, sha in enumerate(shas, 1)]
        wrong = 0
        for path, number, sha256 in every[:: 1 + len(every) // _MOST_READ]:
            with self._store.file(path).open(number) as stream:
                wrong += hashlib.sha256(stream.read()).hexdigest() != sha256
        return wrong


def total(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts of several tests as one for each scenario, in the order of the table."""
    counts: dict[str, collections.Counter[str]] = {}
    for verdict in verdicts:
        told = asdict(verdict)
        counts.setdefault(told.pop("scenario"), collections.Counter()).update(told)
    return [Verdict(scenario=name, **counts[name]) for name in sorted(counts, key=SCENARIOS.index)]
