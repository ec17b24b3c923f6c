"""Where records begin and end in bytes, exactly as Python's csv module sees it.

The parser is memoryless at a record's end: whatever stood before, the next byte begins a record. So equal bytes between
two such places are equal rows, and what is compared byte by byte needs to be parsed only where it differs.
"""

import functools
import re
from collections.abc import Iterator

from csv_manager.core.plain import Plain

#: How far ahead is read for the end of a record, in bytes; doubled where that is too little.
_AHEAD = 1 << 18
#: The same where the first records may be enough.
_FEW = 1 << 12
#: Records with quotes are matched one by one, unless of the first ones more than one in so many has some.
_FEW_MATCHED, _RARE = 16, 4


class Records:
    """The records of contents with this delimiter and quotechar (empty: none), in this encoding."""

    def __init__(self, delimiter: str, quotechar: str, encoding: str) -> None:
        self._quote = quotechar.encode(encoding)
        #: What tells such records from others.
        self.form = b"\0".join((delimiter.encode(encoding), self._quote))
        self._record, self._three, self._rest = _patterns(delimiter.encode(encoding), self._quote)

    def split(self, data: bytes) -> list[bytes]:
        """The records of bytes that begin with one, each with its line end; the last may go on behind the data."""
        records: list[bytes] = []
        place = matched = 0
        quote = data.find(self._quote) if self._quote else -1
        while quote >= 0:
            begin = max(data.rfind(b"\n", place, quote), data.rfind(b"\r", place, quote), place - 1) + 1
            records += data[place:begin].splitlines(keepends=True)
            if matched >= _FEW_MATCHED and matched * _RARE > len(records):
                records += self._record.findall(data, begin)
                if not records[-1]:
                    records.pop()
                return records
            place = self._record.match(data, begin).end()  # type: ignore[union-attr]
            records.append(data[begin:place])
            matched += 1
            quote = data.find(self._quote, place)
        return records + data[place:].splitlines(keepends=True)

    def batches(self, plain: Plain, low: int, high: int, *, few: bool = False) -> Iterator[list[bytes]]:
        """The records from `low` to `high`, both ends of records, a few thousand at a time; the first are a `few`."""
        ahead = _FEW if few else _AHEAD
        while low < high:
            data = plain.read(low, min(ahead, high - low))
            if len(data) < min(ahead, high - low):
                return  # cut off meanwhile, which `check` tells
            records = self.split(data)
            if low + len(data) < high:
                if len(records) == 1:
                    ahead *= 2
                    continue
                low -= len(records.pop())  # it may go on
            ahead = _AHEAD
            low += len(data)
            yield records

    def end(self, data: bytes, begin: int) -> int | None:
        """Where the record ends that begins at a place; None if the data do not show it."""
        end = self._record.match(data, begin).end()  # type: ignore[union-attr]
        return end if end < len(data) else None

    def next_three(self, data: bytes, begin: int) -> tuple[int, int, int] | None:
        """Where the record ends that begins at a place, and the two behind it; None if the data do not show them."""
        three = self._three.match(data, begin)
        first, second, third = three.end(1), three.end(2), three.end(3)  # type: ignore[union-attr]
        return (first, second, third) if third < len(data) else None

    def begin_before(self, data: bytes, place: int, low: int, *, proven: bool) -> int | None:
        """Where the line of `place` begins, if a record certainly does there; looked for from `low` on.

        A record begins at `low` if that is `proven`. None says only that there was no quick way to be certain.
        """
        begin = data.rfind(b"\n", low, place) + 1
        if not begin:
            return low if proven else None
        quote = data.rfind(self._quote, low, begin) if self._quote else -1
        if quote < 0:
            return begin if proven or not self._quote else None
        # If the last line with a quote ends a record, the lines behind it do.
        line, end = data.rfind(b"\n", low, quote) + 1, data.find(b"\n", quote) + 1
        if not line and not proven:
            return None
        is_record = self._record.match(data, line or low, end + 1).end() == end  # type: ignore[union-attr]
        if is_record and line:
            # It is no more certain that a record begins with it than that it goes on with it, within quotes.
            rest = self._rest.match(data, line, end + 1)
            is_record = rest is not None and rest.end() == end
        return begin if is_record else None

    def last_end(self, data: bytes, *, proven: bool) -> int | None:
        """Where in `data` the last record ends that certainly ends there, whatever follows; 0 if none does.

        `data` begins with a record if that is `proven`, else it may begin anywhere; None if nothing can be said then.
        """
        if not self._quote or (proven and self._quote not in data):
            end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
            return end if end or proven else None
        last = data.rfind(b"\n") + 1
        quote = data.rfind(self._quote, 0, last)
        before = data.rfind(b"\n", 0, max(quote, 0))
        if before >= 0:
            # Mostly the line with the last quote is enough, since lines without any follow.
            line = data[before : data.find(b"\n", quote) + 1]
            if self._certain_ends(line)[-1:] == [len(line)]:
                return last
        ends = self._ends(data, 0) if proven else self._certain_ends(data)
        return ends[-1] if ends else 0 if proven else None

    def first_end(self, data: bytes, *, proven: bool) -> int | None:
        """Where in `data` the first record ends that certainly does; it may begin anywhere, None if nothing is certain.

        It is `proven` if no quote stands between a record's begin and the data.
        """
        if not self._quote or (proven and self._quote not in data):
            return data.find(b"\n") + 1 or None
        ends = self._certain_ends(data)
        return ends[0] if ends else None

    def unclosed(self, plain: Plain, low: int) -> int | None:
        """Where the last record begins, if its quotes are never closed; a record begins at `low`.

        It is looked for in the last bytes, and only where they prove nothing, from `low` on.
        """
        if not self._quote:
            return None
        start = max(low, plain.size - _AHEAD)
        data = plain.read(start, plain.size - start)
        begin = self.begin_before(data, max(len(data) - 1, 0), 0, proven=start == low)
        if begin is not None and self._is_whole(data[begin:]):
            return None
        place, last = low, b""
        for batch in self.batches(plain, low, plain.size):
            place += len(last) + sum(map(len, batch[:-1]))
            last = batch[-1]
        return None if self._is_whole(last) else place

    def has_quote(self, plain: Plain, low: int, high: int) -> bool:
        """Whether a quote begins between two places."""
        if not self._quote:
            return False
        more = len(self._quote) - 1
        return any(
            self._quote in plain.read(place, min(_AHEAD, high - place) + more) for place in range(low, high, _AHEAD)
        )

    def _certain_ends(self, data: bytes) -> list[int]:
        """Where records end in bytes that may begin anywhere.

        After a line feed, the parser is at a record's begin or within quotes; where both suppositions come to an end of
        a record at the same place, there is one, and all that follow are the same.
        """
        start = data.find(b"\n") + 1
        within = self._rest.match(data, start) if start else None
        if within is None:
            return []
        others = {within.end(), *self._ends(data, within.end())}
        return [end for end in self._ends(data, start) if end in others]

    def _ends(self, data: bytes, start: int) -> list[int]:
        """The places behind `start` where records end, if one begins there, whatever follows the data."""
        ends = []
        for record in self._record.finditer(data, start):
            begin, end = record.span()
            last = data[end - 1 : end]
            if begin < end and (last == b"\n" or (last == b"\r" and end < len(data))):
                ends.append(end)
        if ends and ends[-1] == len(data) and not self._closed(data, ends[-2] if len(ends) > 1 else start):
            ends.pop()
        return ends

    def _is_whole(self, record: bytes) -> bool:
        """Whether the last record of a content ends where it does, and not within quotes."""
        return not record or self._closed(record if record.endswith((b"\n", b"\r")) else record + b"\n", 0)

    def _closed(self, data: bytes, start: int) -> bool:
        """Whether the record from `start` to the end of `data` ends there, and is not within quotes."""
        return self._record.match(data + b"x", start).end() == len(data)  # type: ignore[union-attr]


@functools.cache
def _patterns(delimiter: bytes, quote: bytes) -> tuple[re.Pattern[bytes], ...]:
    """Patterns for one record, for three with a group each, and for the rest of one from within a quoted field."""
    bare = _none_of(delimiter, b"\r", b"\n")
    end = rb"(?:\r\n|\r|\n|\Z)"
    if not quote:
        record = rb"[^\r\n]*+" + end
        return re.compile(record), re.compile(b"(%b)" % record * 3), re.compile(rb"(?!)")
    q = re.escape(quote)
    inside = rb"%b(?:%b%b)*+" % (_none_of(quote), q + q, _none_of(quote))
    field = rb"(?:%b%b(?:%b%b)?|%b)" % (q, inside, q, bare, bare)
    fields = rb"(?:%b%b)*+" % (re.escape(delimiter), field)
    unquoted = rb"%b(?:\r\n?|\n)" % _none_of(quote, b"\r", b"\n")
    record = rb"(?:%b|%b%b%b)" % (unquoted, field, fields, end)
    rest = rb"%b%b%b%b(?:\r\n|\r(?=[\s\S])|\n)" % (inside, q, bare, fields)
    return re.compile(record), re.compile(b"(%b)" % record * 3), re.compile(rest)


def _none_of(*marks: bytes) -> bytes:
    """A pattern for as many bytes as possible without any of these marks."""
    if all(len(mark) == 1 for mark in marks):
        return rb"[^%b]*+" % b"".join(map(re.escape, marks))
    return rb"(?:(?!%b)[\s\S])*+" % b"|".join(map(re.escape, marks))
