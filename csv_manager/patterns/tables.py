"""Tables for people: columns side by side, no wider than the terminal, and no word or number broken in two."""

from collections.abc import Callable, Iterator, Sequence

from csv_manager.patterns.terminal import text_width

#: Between two columns; the second where the first would be too wide.
_GAPS = ("   ", "  ")
#: A column that is no wider holds numbers, times or single words, and stays as it is.
_SHORT = 20
#: A wider one is given so many characters before a column is left out for it, and at least so many at all.
_FAIR, _LEAST = 30, 12


def table_lines(
    rows: Sequence[Sequence[str]],
    columns: Sequence[str],
    width: int | None = None,
    spare: Sequence[str] = (),
    style: Callable[[str], str] = str,
) -> Iterator[str]:
    """The lines of a table, of which the first one names the columns, with a `style`, and the second is a rule.

    What is too wide for `width` is made to fit: the columns `spare` are left out, in that order; cells of words take
    several lines, and what is a word for itself is cut. If that is not enough, each row is told in lines of its own,
    a column each.
    """
    widths = {name: max(map(text_width, (name, *cells))) for name, cells in _by_column(rows, columns)}
    gap = _GAPS[0] if width is None or _total(widths, _GAPS[0]) <= width else _GAPS[1]
    if width is not None:
        widths = _without(widths, width, gap, spare)
        fitted = _narrowed(widths, width - len(gap) * (len(widths) - 1))
        if fitted is None:
            yield from _records(rows, columns, width)
            return
        widths = fitted
    places = [place for place, name in enumerate(columns) if name in widths]
    sizes = list(widths.values())
    yield style(_line(list(widths), sizes, gap))
    yield "─" * _total(widths, gap)
    for row in rows:
        cells = [row[place] for place in places]
        if all(text_width(cell) <= size for cell, size in zip(cells, sizes, strict=True)):
            yield _line(cells, sizes, gap)
        else:
            yield from _lines(cells, sizes, gap)


def _by_column(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> Iterator[tuple[str, Iterator[str]]]:
    for place, name in enumerate(columns):
        yield name, (row[place] for row in rows)


def _total(widths: dict[str, int], gap: str) -> int:
    return sum(widths.values()) + len(gap) * (len(widths) - 1)


def _without(widths: dict[str, int], width: int, gap: str, spare: Sequence[str]) -> dict[str, int]:
    """The columns, without those to spare that stand in the way of others."""
    left = dict(widths)
    for name in spare:
        if sum(min(size, max(_FAIR, len(told))) + len(gap) for told, size in left.items()) - len(gap) <= width:
            break
        left.pop(name, None)
    return left


def _narrowed(widths: dict[str, int], room: int) -> dict[str, int] | None:
    """The widths of columns, of which the wide ones share what others leave; None if that is too little."""
    least = {name: max(text_width(name), _LEAST) if size > _SHORT else size for name, size in widths.items()}
    room -= sum(least.values())
    if room < 0:
        return None
    wishes = {name: size - least[name] for name, size in widths.items()}
    for place, name in enumerate(sorted(wishes, key=wishes.__getitem__)):
        more = min(wishes[name], room // (len(wishes) - place))
        least[name] += more
        room -= more
    return least


def _records(rows: Sequence[Sequence[str]], columns: Sequence[str], width: int) -> Iterator[str]:
    """Each row with a column a line, and an empty line between two."""
    name_width = max(map(text_width, columns))
    for number, row in enumerate(rows):
        if number:
            yield ""
        for name, cell in zip(columns, row, strict=True):
            for part in _wrapped(cell, max(width - name_width - len(_GAPS[1]), _LEAST)):
                yield _line([name, part], [name_width, 0], _GAPS[1])
                name = ""  # noqa: PLW2901 - it stands before the first line only


def _lines(cells: Sequence[str], sizes: Sequence[int], gap: str) -> Iterator[str]:
    """The lines of one row."""
    parts = [[_cut(part, size) for part in _wrapped(cell, size)] for cell, size in zip(cells, sizes, strict=True)]
    for number in range(max(map(len, parts))):
        yield _line([part[number] if number < len(part) else "" for part in parts], sizes, gap)


def _line(cells: Sequence[str], sizes: Sequence[int], gap: str) -> str:
    return gap.join(cell + " " * (size - text_width(cell)) for cell, size in zip(cells, sizes, strict=True)).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    """A text in lines of up to `width`; a word that is longer has a line for itself."""
    if text_width(text) <= width:
        return [text]
    lines: list[str] = []
    for word in text.split(" "):
        if lines and text_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _cut(text: str, width: int) -> str:
    """A word of at most `width`; of a path the end is left, of all else the begin."""
    if text_width(text) <= width:
        return text
    is_path = "/" in text
    while text_width(text) >= width:
        text = text[1:] if is_path else text[:-1]
    return f"…{text}" if is_path else f"{text}…"
