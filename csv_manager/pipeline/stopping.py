"""Work that is cut off where it reads, so that what it has begun is undone and not abandoned."""

from collections.abc import Callable

from csv_manager.core.errors import TornReadError
from csv_manager.core.plain import Plain


class Stoppable(Plain):
    """A content that is read until `stopping` says so; then who reads it gets a `TornReadError`."""

    def __init__(self, plain: Plain, path: str, stopping: Callable[[], bool]) -> None:
        self._plain, self._path, self._stopping = plain, path, stopping
        self.size, self.digests = plain.size, plain.digests

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        if self._stopping():
            raise TornReadError(f"{self._path} was not read to its end; it is read again at the next start.")
        return self._plain.read(offset, size)

    def check(self) -> None:
        """As the content."""
        self._plain.check()

    def count_lines(self, low: int, high: int) -> int:
        """As the content."""
        return self._plain.count_lines(low, high)
