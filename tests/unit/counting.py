"""Bytes that know how many of them were read."""

from csv_manager.core.plain import BytesPlain


class Counting(BytesPlain):
    """Bytes that know how many of them were read, and how many at once at most."""

    count = largest = 0

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset` on."""
        block = super().read(offset, size)
        self.count += len(block)
        self.largest = max(self.largest, len(block))
        return block
