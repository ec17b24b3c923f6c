"""Contents that are read while somebody looks on: who may say that it is to end, or wants to know how far it is."""

from collections.abc import Callable

from csv_manager.core.errors import TornReadError
from csv_manager.core.plain import Plain


class Observed(Plain):
    """A content; `before` each read somebody may raise, and `after` it is told how many bytes were read."""

    def __init__(
        self, plain: Plain, before: Callable[[], object] = lambda: None, after: Callable[[int], object] = lambda _: None
    ) -> None:
        self._plain, self._before, self._after = plain, before, after
        self.size, self.digests = plain.size, plain.digests

    @property
    def place(self) -> str | None:
        """As the content; who reads there is not looked on."""
        return self._plain.place

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        self._before()
        data = self._plain.read(offset, size)
        self._after(len(data))
        return data

    def check(self) -> None:
        """As the content."""
        self._plain.check()

    def count_lines(self, low: int, high: int) -> int:
        """As the content."""
        return self._plain.count_lines(low, high)


def stoppable(plain: Plain, path: str, stopping: Callable[[], bool]) -> Plain:
    """A content that is read until `stopping` says so; then who reads it gets a `TornReadError`."""

    def before() -> None:
        if stopping():
            raise TornReadError(f"{path} was not read to its end; it is read again at the next start.")

    return Observed(plain, before)
