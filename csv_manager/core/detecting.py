"""Finds a content's csv format: encoding, delimiter, header, compression.

Found once and kept with the version, because a finding that flips would make every row look changed. What the user
said always stands. Measured on 24 files, csv.Sniffer on at most 4 KB was right on the delimiter 22 times and on the
header 23 times, but is quadratic on quoted text: hence the limit and the check against the header line.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from csv_manager.core import compression as compressions
from csv_manager.core.errors import NotCsvError
from csv_manager.core.model import CsvFormat, FormatOptions

Opener = Callable[[], BinaryIO]

DELIMITERS = ",;\t|"
_SNIFF = 4096
_NOT_ASCII = bytes(range(128, 256))
_SAMPLE = 1 << 16
_BLOCK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"PK\x03\x04", "a zip file or an office workbook; export the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an office document; export the sheet as CSV"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"PK\x05\x06", "an empty zip file"),
    (b"\x1f\x8b", "a gzip file within another compression; compress it once"),
)
#: Of these, what may also be the first column's name in a text.
_WORDS = (b"PAR1", b"GIF8")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)([eE][+-]?\d+)?\s*%?")
_YEAR = re.compile(r"(19|20)\d\d")
#: Tried beside UTF-8 where nothing marks the encoding, Western first.
_LEGACY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "euc_kr", "big5"]


def detect(open_raw: Opener, name: str, options: FormatOptions, *, whole: bool = True) -> CsvFormat:
    """The csv format of a content, as far as `options` leave it open.

    `open_raw` opens the bytes as they came, `name` is the file's name. Reads the whole content once if the encoding
    is to be found, else its start; that is enough too if it is UTF-8 and the `whole` is not asked for. Raises
    `NotCsvError` for a content that is no text.
    """
    with open_raw() as raw:
        compression = compressions.detect(raw.read(10), name)

    def open_plain() -> BinaryIO:
        return compressions.open_decompressed(open_raw(), compression)

    with open_plain() as plain:
        head = plain.read(_SAMPLE)
    if options.encoding:
        encoding, errors = _marked(options.encoding, head), "strict"
    else:
        encoding, errors = _encoding(open_plain, head, whole=whole)
    skip = options.skip_lines or 0
    try:
        with open_plain() as plain:
            text = _sample_text(plain, encoding, skip)
    except UnicodeError as error:  # errors are replaced, but not those of UTF-16 without its mark
        raise NotCsvError(f"This is not {encoding}: {error}; say what it is with --encoding.") from error
    _refuse_binary(head, text, encoding)
    excel = None if skip else re.match(r"sep=(.)\r?\n", text)
    if excel:
        text = text[excel.end() :]
        skip = 1
    if options.delimiter:
        delimiter, sure = options.delimiter, True
    elif excel:
        delimiter, sure = excel[1], True
    else:
        delimiter, sure = _delimiter(text)
    quotechar = '"' if options.quotechar is None else options.quotechar
    header = options.names is None if options.header is None else options.header
    if options.header is None and options.names is None:
        header = not _lacks_header(text, delimiter, quotechar)
    return CsvFormat(
        encoding=encoding,
        errors=errors,
        delimiter=delimiter,
        quotechar=quotechar,
        header=header,
        names=options.names,
        skip_lines=skip,
        compression=compression,
        sure=sure,
    )


def bom_encoding(head: bytes) -> str | None:
    """The encoding that a byte order mark at the start of a content tells, or None."""
    return next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)


def _marked(encoding: str, head: bytes) -> str:
    """An encoding that was said, as the one of its family that takes a byte order mark off where there is one."""
    marked = bom_encoding(head)
    family = codecs.lookup(encoding).name.removesuffix("-le").removesuffix("-be")
    return marked if marked and marked.removesuffix("-sig") == family else encoding


def _encoding(open_plain: Opener, head: bytes, *, whole: bool) -> tuple[str, str]:
    """The encoding of a content and the way to treat its errors."""
    marked = bom_encoding(head)
    if marked:
        return marked, "strict"
    wide = _utf16_without_bom(head)
    if wide:
        return wide, "strict"
    if not whole and not _utf8_errors(lambda: io.BytesIO(head.rstrip(_NOT_ASCII)))[0]:
        return "utf-8", "strict"
    bad, good, sample = _utf8_errors(open_plain)
    if not bad:
        return "utf-8", "strict"
    if bad * 10 <= good:
        return "utf-8", "backslashreplace"
    return _legacy(sample), "strict"


def _utf16_without_bom(head: bytes) -> str | None:
    """UTF-16 of mostly Western text has a NUL at every second place."""
    if len(head) < 4 or (len(head) % 2 and len(head) < _SAMPLE):
        return None
    even, odd = head[::2], head[1::2]
    half = len(odd) // 2
    if odd.count(0) > half and even.count(0) * 10 < half:
        return "utf-16-le"
    if even.count(0) > half and odd.count(0) * 10 < half:
        return "utf-16-be"
    return None


def _utf8_errors(open_plain: Opener) -> tuple[int, int, bytes]:
    """Bytes that are no UTF-8, characters beyond ASCII that are, and a sample around the first bad byte."""
    bad = good = 0
    sample = before = b""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
    with open_plain() as plain:
        while True:
            block = plain.read(_BLOCK)
            if not block.isascii() or decoder.getstate()[0]:
                text = decoder.decode(block, final=not block)
                wrong = len(re.findall("[\udc80-\udcff]", text))
                good += len(re.findall("[^\x00-\x7f\udc80-\udcff]", text))
                if wrong and not bad:
                    # The bad byte may lie at the end of the block before, where it still could have been a good one.
                    context = before + block
                    at = next(place for place, byte in enumerate(context) if byte > 127)
                    sample = context[max(0, at - _SAMPLE // 2) : at + _SAMPLE // 2]
                bad += wrong
            before = block[-_SAMPLE:]
            if not block:
                return bad, good, sample


def _legacy(sample: bytes) -> str:
    """The most likely one-byte or East Asian encoding; Windows' Western one where the text is too short to tell."""
    import charset_normalizer

    matches = charset_normalizer.from_bytes(sample, cp_isolation=_LEGACY)
    best = max(matches, key=lambda match: (match.coherence, match.encoding == "cp1252", -match.chaos), default=None)
    if best is not None and best.coherence > 0:
        return best.encoding
    for encoding in ("cp1252", *(match.encoding for match in matches)):
        try:
            sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _sample_text(plain: BinaryIO, encoding: str, skip: int) -> str:
    """About 4 KB of text behind the skipped lines, cut at a line's end."""
    text = io.TextIOWrapper(plain, encoding=encoding, errors="replace", newline="")
    for _ in range(skip):
        if not text.readline():
            break
    sample = text.read(_SNIFF)
    text.detach()  # whoever opened it closes it
    if len(sample) < _SNIFF:
        return sample
    cut = max(sample.rfind("\n"), sample.rfind("\r"))
    return sample[: cut + 1] if cut > 0 else sample


def _refuse_binary(head: bytes, text: str, encoding: str) -> None:
    controls = len(_CONTROL.findall(text))
    if head[257:262] == b"ustar" and b"\0" in head[:257]:
        raise NotCsvError("This is no CSV but a tar archive; unpack it.")
    for magic, what in _BINARY:
        if head.startswith(magic) and (controls or not head.isascii() or magic not in _WORDS):
            raise NotCsvError(f"This is no CSV but {what}.")
    share = 30 if encoding.startswith("utf") else 5
    if controls > 2 and controls * 100 > share * len(text):
        raise NotCsvError(f"This is no text: {controls} of its first {len(text)} characters are control codes.")


def _delimiter(text: str) -> tuple[str, bool]:
    """The delimiter and whether that is sure; a comma if nothing tells."""
    lines = list(io.StringIO(text.lstrip("\r\n"), newline=""))
    if not lines:
        return ",", False
    outside = re.sub(r'"[^"]*"', "", lines[0])
    candidates = [mark for mark in DELIMITERS if mark in outside]
    if not candidates:
        return ",", False
    if len(candidates) == 1:
        return candidates[0], True
    try:
        sniffed = csv.Sniffer().sniff(text, delimiters="".join(candidates)).delimiter
    except csv.Error:
        sniffed = ""
    counted = max(candidates, key=lambda mark: _evenness(lines, mark))
    return (
        sniffed if sniffed in candidates and _evenness(lines, sniffed) == _evenness(lines, counted) else counted
    ), True


def _evenness(lines: list[str], delimiter: str) -> tuple[float, int]:
    """How well a delimiter cuts a sample: the share of rows as wide as the first, then the width."""
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    width = len(rows[0])
    return sum(len(row) == width for row in rows) / len(rows), width


def _lacks_header(text: str, delimiter: str, quotechar: str) -> bool:
    """Whether the first row is data: it has a number, no year, in a column that is numbers all the way down.

    A column that is numbers below a word is the sign of a header, and outweighs it.
    """
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quotechar or None,
        quoting=csv.QUOTE_MINIMAL if quotechar else csv.QUOTE_NONE,
    )
    rows: Iterator[list[str]] = (row for row in reader if row)
    first = next(rows, [])
    below = list(itertools.islice(rows, 50))
    if not below:
        return False
    lacks = False
    for cell, *column in zip(first, *below, strict=False):
        values = [value for value in column if value]
        if not values or not all(_NUMBER.fullmatch(value) for value in values):
            continue
        if not _NUMBER.fullmatch(cell):
            return False
        lacks = lacks or not _YEAR.fullmatch(cell)
    return lacks
