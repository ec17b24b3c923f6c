"""Whether rows are as a schema tells: one pass, with the exact row and column of all that is not.

Columns are looked at some thousand cells at a time. Whether a text is a value is decided once for each text that comes
again and again; texts that are mostly different are read together, and one by one only where one of them is none.
"""

import itertools
import json
import operator
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from csv_manager.checks.field_types import read_value
from csv_manager.checks.rows import CheckRows, RowCells
from csv_manager.checks.table_schema import Field, TableSchema
from csv_manager.core.findings import Finding
from csv_manager.core.key_hashes import BuiltHashes
from csv_manager.core.showing import shown

#: So many texts of a column are remembered to be values.
_REMEMBERED = 50_000
_HASH = (1 << 64) - 1


class _Wrong(NamedTuple):
    """What is wrong with a cell: the code of the finding, and words that follow the cell."""

    code: str
    words: str


def check_schema(rows: CheckRows, schema: TableSchema) -> Iterator[Finding]:
    """What is not as the schema tells: of the header, of each row in its order, then which rows repeat others."""
    yield from _check_header(rows.columns, schema)
    checker = _Checker(rows.columns, schema, lacks_cells=rows.is_partial)
    before = 0
    for chunk in rows.chunks():
        for finding in checker.look(chunk):
            yield _numbered(finding, before)
        before += len(chunk)
    for unique in checker.uniques:
        yield from unique.findings(rows)


def _check_header(columns: Sequence[str], schema: TableSchema) -> Iterator[Finding]:
    names = [field.name for field in schema.fields]
    lacking = [name for name in names if name not in columns]
    surplus = [column for column in columns if column not in names]
    if schema.match in ("equal", "exact", "subset"):
        for name in lacking:
            yield Finding(code="missing-label", column=name, message=f"there is no column {name!r}")
    elif schema.match == "partial" and len(lacking) == len(names):
        yield Finding(code="missing-label", message=f"there is none of the columns {', '.join(map(repr, names))}")
    else:
        for name in (name for name in lacking if name in schema.primary_key):
            yield Finding(code="missing-label", column=name, message=f"there is no column {name!r} of the primary key")
    if schema.match in ("equal", "exact", "superset"):
        for column in surplus:
            yield Finding(code="extra-label", column=column, message=f"the schema has no field {column!r}")
    if schema.match == "exact" and not (lacking or surplus):
        for name, column in zip(names, columns, strict=True):
            if name != column:
                yield Finding(
                    code="incorrect-label", column=column, message=f"{column!r} stands in the place of {name!r}"
                )


class _Checker:
    def __init__(self, columns: Sequence[str], schema: TableSchema, *, lacks_cells: bool) -> None:
        """With `lacks_cells`, rows that have a place for each column may have none there."""
        self._columns, self._lacks_cells = columns, lacks_cells
        places = {name: place for place, name in enumerate(columns)}
        self._fields = [_Cells(field, places[field.name]) for field in schema.fields if field.name in places]
        by_name = {cells.field.name: cells for cells in self._fields}
        self.uniques = [
            _Unique((cells,), is_key=False) for cells in self._fields if cells.field.constraints.get("unique")
        ]
        if schema.primary_key and by_name.keys() >= set(schema.primary_key):
            self.uniques.append(_Unique([by_name[name] for name in schema.primary_key], is_key=True))

    def look(self, chunk: Sequence[RowCells]) -> Iterable[Finding]:
        """What is wrong with some rows, whose numbers count from 1; in the order of the rows."""
        width = len(self._columns)
        found: defaultdict[int, list[Finding]] = defaultdict(list)
        rows = chunk
        if set(map(len, chunk)) != {width}:
            rows = [
                cells if len(cells) == width else [*cells[:width], *itertools.repeat(None, width - len(cells))]
                for cells in chunk
            ]
        columns: list[Sequence[str | None]] = list(zip(*rows, strict=True))
        blank = self._blank(rows, columns)
        lacks_cells = self._lacks_cells or rows is not chunk
        for cells in self._fields:
            for row, told, wrong in cells.look(columns[cells.place], lacks_cells=lacks_cells):
                if row not in blank:
                    found[row].append(
                        Finding(code=wrong.code, message=wrong.words, column=cells.field.name, value=told, row=row + 1)
                    )
        if rows is not chunk or (self._lacks_cells and any(None in column for column in columns)):
            self._check_lengths(chunk, blank, found)
        for row in blank:
            found[row].append(Finding(code="blank-row", message="the row has no value at all", row=row + 1))
        for unique in self.uniques:
            unique.add(columns)
        return itertools.chain.from_iterable(found[row] for row in sorted(found))

    def _blank(self, rows: Sequence[RowCells], columns: Sequence[Sequence[str | None]]) -> set[int]:
        """The rows in which no field has a value."""
        if not self._fields:
            return set()
        first = self._fields[0]
        missing = first.missing
        candidates = (
            [row for row, cell in enumerate(columns[first.place]) if cell in missing]
            if not missing.isdisjoint(columns[first.place])
            else []
        )
        return {row for row in candidates if all(rows[row][cells.place] in cells.missing for cells in self._fields)}

    def _check_lengths(
        self, chunk: Sequence[RowCells], blank: Collection[int], found: Mapping[int, list[Finding]]
    ) -> None:
        width = len(self._columns)
        for row, cells in enumerate(chunk):
            if row in blank:
                continue
            for cell in cells[width:]:
                found[row].append(
                    Finding(
                        code="extra-cell",
                        message=f"{shown(cell or '')} is beyond the last column",
                        value=cell,
                        row=row + 1,
                    )
                )
            for each in self._fields:
                if each.place >= len(cells) or cells[each.place] is None:
                    found[row].append(
                        Finding(code="missing-cell", message="there is no cell", column=each.field.name, row=row + 1)
                    )


class _Cells:
    """The cells of one field."""

    def __init__(self, field: Field, place: int) -> None:
        self.field, self.place = field, place
        self.missing: frozenset[str | None] = frozenset({None, *field.missing})
        #: Those of them that are texts.
        self._gaps = self.missing - {None}
        self._read = field.reader()
        self._good: set[str | None] = set()
        self._is_varied: bool | None = None
        self._bulk = None if field.options or field.format != "default" else field.field_type.bulk
        self._constraints = [
            (name, value, _CONSTRAINTS[name]) for name, value in field.constraints.items() if name in _CONSTRAINTS
        ]
        self._is_required = bool(field.constraints.get("required"))
        self._is_free = field.type in ("any", "string") and field.format == "default" and not self._constraints

    def look(self, cells: Sequence[str | None], *, lacks_cells: bool) -> Iterator[tuple[int, str | None, _Wrong]]:
        """The cells that are wrong: the number of the row, counted from 0, the cell, and what is wrong with it.

        Only with `lacks_cells` may one be None.
        """
        if self._is_free and not self._is_required:
            return
        texts: Collection[str | None] = cells
        if self._is_varied is None:
            self._is_varied = len(set(cells)) > len(cells) / 2
        if not self._is_varied:
            texts = set(cells) - self._good
        if self._are_good(texts, self.missing if lacks_cells else self._gaps):
            self._remember(texts)
            return
        wrong = {text: found for text in set(texts) if (found := self._wrong(text))}
        self._remember(set(texts) - wrong.keys())
        for row, cell in enumerate(cells):
            for each in wrong.get(cell, ()):
                yield row, cell, each

    def value(self, cell: str | None) -> Any:
        """What a cell means to be compared with others; None if it has no value."""
        if cell in self.missing or cell is None:
            return None
        if self._is_free:
            return cell
        try:
            value = read_value(self._read, cell)
        except ValueError:
            return None
        if isinstance(value, list | dict):
            return json.dumps(value, sort_keys=True)
        return str(value) if isinstance(value, Decimal) and value.is_snan() else value

    def _remember(self, texts: Collection[str | None]) -> None:
        if not self._is_varied and len(self._good) < _REMEMBERED:
            self._good.update(texts)

    def _are_good(self, texts: Collection[str | None], missing: Collection[str | None]) -> bool:
        """Whether these are known to be right, all together; `missing` are those of no value that may be among them."""
        gaps = [each for each in missing if each in texts]
        if gaps and self._is_required:
            return False
        told: Any = list(itertools.filterfalse(self.missing.__contains__, texts)) if gaps else list(texts)
        if not told or self._is_free:
            return True
        try:
            if self._bulk is None:
                values = (
                    told
                    if self.field.type in ("any", "string") and self.field.format == "default"
                    else list(map(self._read, told))
                )
            else:
                values = self._bulk(told)
            return all(
                are_met(values, bound) or self._is_met_by_each(told, values, bound, is_met)
                for _, bound, (are_met, is_met) in self._constraints
            )
        except (ValueError, ArithmeticError, TypeError):
            return False

    def _is_met_by_each(
        self, texts: Sequence[str], values: Sequence[Any], bound: Any, is_met: Callable[[Any, Any], bool]
    ) -> bool:
        """Whether decimals meet a constraint of which some seem to be at the bound, as floats: they are looked at."""
        if not isinstance(values[0], float):
            return False
        near = [text for text, value in zip(texts, values, strict=True) if value == bound or not is_met(value, bound)]
        return all(is_met(self._read(text), bound) for text in near)

    def _wrong(self, text: str | None) -> list[_Wrong]:
        """What is wrong with one text."""
        if text in self.missing or text is None:
            return [_Wrong("constraint-error", "there is no value, and one is required")] if self._is_required else []
        try:
            value = read_value(self._read, text)
        except ValueError:
            return [_Wrong("type-error", f"{shown(text)} is no {self._kind()}")]
        return [
            _Wrong("constraint-error", f"{shown(text)} {_WORDS[name].format(self.field.told[name])}")
            for name, bound, (_, is_met) in self._constraints
            if not _is_met(is_met, value, bound)
        ]

    def _kind(self) -> str:
        kind, form = self.field.type, self.field.format
        return kind if form == "default" else form if kind == "string" else f"{kind} as {form}"


class _Unique:
    """Whether rows have values of their own: eight bytes a row, and rows whose values seem to repeat are read again."""

    def __init__(self, cells: Sequence[_Cells], *, is_key: bool) -> None:
        self._cells, self._is_key = cells, is_key
        self._hashes = BuiltHashes()
        self._has_gap = False

    def add(self, columns: Sequence[Sequence[str | None]]) -> None:
        """Add some rows."""
        for value in self._values(columns):
            if value is not None:
                self._hashes.add(hash(value) & _HASH)
            elif self._is_key:
                self._has_gap = True

    def findings(self, rows: CheckRows) -> Iterator[Finding]:
        """The rows that have the values of one before, and of a key those that have none."""
        repeated = self._hashes.repeated()
        if not repeated and not self._has_gap:
            return
        seen: dict[Any, int] = {}
        width, number = len(rows.columns), 0
        for chunk in rows.chunks():
            padded = [[*cells[:width], *itertools.repeat(None, width - len(cells))] for cells in chunk]
            for value in self._values(list(zip(*padded, strict=True))):
                number += 1
                if value is None:
                    if self._is_key:
                        yield self._finding(number, "a primary key needs a value, and there is none", None)
                elif hash(value) & _HASH in repeated:
                    if value in seen:
                        yield self._finding(number, f"{self._told(value)} is in row {seen[value]:,} already", value)
                    seen[value] = number

    def _values(self, columns: Sequence[Sequence[str | None]]) -> Iterator[Any]:
        """The value of each row; None where there is none."""
        read = [map(cells.value, columns[cells.place]) for cells in self._cells]
        if len(read) == 1 and not self._is_key:
            return read[0]
        return (None if all(each is None for each in values) else values for values in zip(*read, strict=True))

    def _finding(self, row: int, message: str, value: Any) -> Finding:
        code = "primary-key" if self._is_key else "unique-error"
        names = ", ".join(cells.field.name for cells in self._cells)
        return Finding(
            code=code, message=message, column=names, row=row, value=None if value is None else self._told(value)
        )

    @staticmethod
    def _told(value: Any) -> str:
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _equals(value: Any, bound: Any) -> bool:
    """Whether a value is a bound. One of all may be a float for a decimal, which is looked at by itself."""
    return value == bound and not isinstance(value, float)


#: Of a constraint: whether all of some values meet it, and whether one does.
_Constraint = tuple[Callable[[Sequence[Any], Any], bool], Callable[[Any, Any], bool]]
_CONSTRAINTS: Mapping[str, _Constraint] = {
    "minimum": (lambda values, bound: min(values) > bound or _equals(min(values), bound), operator.ge),
    "maximum": (lambda values, bound: max(values) < bound or _equals(max(values), bound), operator.le),
    "exclusiveMinimum": (lambda values, bound: min(values) > bound, lambda value, bound: value > bound),
    "exclusiveMaximum": (lambda values, bound: max(values) < bound, lambda value, bound: value < bound),
    "minLength": (lambda values, least: min(map(len, values)) >= least, lambda value, least: len(value) >= least),
    "maxLength": (lambda values, most: max(map(len, values)) <= most, lambda value, most: len(value) <= most),
    "pattern": (
        lambda values, pattern: all(map(pattern.match, values)),
        lambda value, pattern: bool(pattern.match(value)),
    ),
    "enum": (lambda values, these: all(value in these for value in values), lambda value, these: value in these),
}

_WORDS: Mapping[str, str] = {
    "minimum": "is less than the minimum {}",
    "maximum": "is more than the maximum {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
    "minLength": "is shorter than {}",
    "maxLength": "is longer than {}",
    "pattern": "does not match {}",
    "enum": "is none of {}",
}


def _is_met(is_met: Callable[[Any, Any], bool], value: Any, bound: Any) -> bool:
    """Whether a value meets a constraint; NaN, and a time with a zone beside one without, are not to be compared."""
    try:
        return is_met(value, bound)
    except (ArithmeticError, TypeError):
        return False


def _numbered(finding: Finding, before: int) -> Finding:
    """A finding of a row behind others."""
    return finding if not before else Finding(**{**finding.__dict__, "row": (finding.row or 0) + before})
