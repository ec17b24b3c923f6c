"""Schemas in the shape of Frictionless Table Schema: what the columns of a file are to be.

https://datapackage.org/standard/table-schema/. What csv_manager does not check is refused when a schema is read: a rule
that is there and not looked at is worse than none. Columns are found by their names, wherever they stand.
"""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from csv_manager.checks.field_types import FIELD_TYPES, FieldType, Reader, read_value
from csv_manager.core.errors import RuleError

#: How the columns of a file may differ from the fields of a schema.
MATCHES = ("equal", "exact", "subset", "superset", "partial")
_ABOUT = ("name", "title", "description", "$schema", "rdfType", "example", "examples", "homepage", "version", "created")
_SCHEMA_KEYS = ("fields", "missingValues", "primaryKey", "fieldsMatch", *_ABOUT)
_FIELD_KEYS = ("type", "format", "constraints", "missingValues", *_ABOUT)
_CONSTRAINT_TYPES: Mapping[str, type] = {
    "required": bool, "unique": bool, "minLength": int, "maxLength": int, "pattern": str, "enum": list,
}  # fmt: skip
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_TYPE_NAMES = {bool: "true or false", int: "a whole number", str: "a text", list: "a list", dict: "an object"}
_OTHERWISE = {
    "foreignKeys": "csv_manager checks one file by itself; a --query can compare it with `previous`",
    "uniqueKeys": "constraints.unique tells it of one column, primaryKey of several",
}


@dataclass(frozen=True, kw_only=True)
class Field:
    """What one column is to be. The values of `constraints` are those that its texts are compared with.

    `told` has the constraints as the descriptor has them. `missing` are the texts that mean that there is no value.
    """

    name: str
    type: str
    format: str
    missing: frozenset[str]
    constraints: Mapping[str, Any]
    told: Mapping[str, Any]
    options: Mapping[str, Any]

    @property
    def field_type(self) -> FieldType:
        """Its type."""
        return FIELD_TYPES[self.type]

    def reader(self) -> Reader:
        """What reads its texts."""
        return self.field_type.reader(self.format, self.options)


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """What the columns of a file are to be; `match` says which others there may be, or which may be missing."""

    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    match: str

    @property
    def has_uniques(self) -> bool:
        """Whether rows are compared with each other."""
        return bool(self.primary_key) or any(field.constraints.get("unique") for field in self.fields)


def parse_schema(descriptor: Any, origin: str) -> TableSchema:
    """The schema that a descriptor tells. Raises `RuleError`, which names the place in it."""
    told = _Told(descriptor, origin)
    told.check_keys(_SCHEMA_KEYS)
    missing = told.texts("missingValues", [""])
    fields = tuple(
        _field(told.inner(told.value["fields"][place], f"fields[{place}]"), missing) for place in told.fields()
    )
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise told.error(f"two fields are called {name!r}")
    key = told.value.get("primaryKey", [])
    key = [key] if isinstance(key, str) else told.texts("primaryKey", [])
    for name in key:
        if name not in names:
            raise told.error(f"primaryKey names {name!r}, which is no field{_meant(name, names)}")
    match = told.value.get("fieldsMatch", "equal")
    match = match[0] if isinstance(match, list) and len(match) == 1 else match  # as version 2 of the standard began
    if match not in MATCHES:
        raise told.error(f"fieldsMatch is {match!r}; it is one of {', '.join(MATCHES)}")
    return TableSchema(fields=fields, primary_key=tuple(key), match=match)


class _Told:
    """A part of a descriptor, and where it is, for messages."""

    def __init__(self, value: Any, origin: str, place: str = "") -> None:
        self._origin, self._place = origin, place
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.error("it is no object")
        self.value: dict[str, Any] = value

    def inner(self, value: Any, place: str) -> "_Told":
        """A part of this part."""
        return _Told(value, self._origin, f"{self._place}.{place}" if self._place else place)

    def error(self, what: str) -> RuleError:
        """What to say of it."""
        return RuleError(": ".join(filter(None, (self._origin, self._place, what))) + ".")

    def check_keys(self, known: Collection[str]) -> None:
        """Raise for a key that is not known."""
        for key in self.value:
            if key in _OTHERWISE:
                raise self.error(f"{key!r} is not checked: {_OTHERWISE[key]}")
            if key not in known:
                raise self.error(f"the key {key!r} is not known{_meant(key, known)}")

    def fields(self) -> range:
        """The numbers of its fields, of which it has some."""
        fields = self.value.get("fields")
        if not isinstance(fields, list) or not fields:
            raise self.error("it has no list of fields")
        return range(len(fields))

    def texts(self, key: str, default: list[str]) -> list[str]:
        """A list of texts; of objects, those that are their `value`."""
        told = self.value.get(key, default)
        if isinstance(told, list):
            told = [each.get("value") if isinstance(each, dict) else each for each in told]
        if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
            raise self.error(f"{key} is no list of texts")
        return told

    def check_type(self, key: str, kind: type) -> None:
        """Raise unless what a key has is of a type."""
        value = self.value[key]
        is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not is_kind:
            raise self.error(f"{key} is {value!r}, and has to be {_TYPE_NAMES[kind]}")


def _field(told: _Told, missing: list[str]) -> Field:
    name = told.value.get("name")
    if not isinstance(name, str) or not name:
        raise told.error("it has no name")
    kind = told.value.get("type", "any")
    if kind not in FIELD_TYPES:
        raise told.error(
            f"the type {kind!r} is not known{_meant(str(kind), FIELD_TYPES)}; there are {', '.join(FIELD_TYPES)}"
        )
    field_type = FIELD_TYPES[kind]
    told.check_keys((*_FIELD_KEYS, *field_type.options))
    options = {key: told.value[key] for key in field_type.options if key in told.value}
    for key in options:
        told.check_type(key, field_type.options[key])
    form = told.value.get("format", "default")
    _check_format(told, kind, form)
    reader = field_type.reader(form, options)
    constraints = told.value.get("constraints", {})
    return Field(
        name=name,
        type=kind,
        format=form,
        missing=frozenset(told.texts("missingValues", missing)),
        constraints=_constraints(told.inner(constraints, "constraints"), kind, reader),
        told=constraints,
        options=options,
    )


def _check_format(told: _Told, kind: str, form: Any) -> None:
    """Raise for a format that texts of a type cannot have."""
    formats = FIELD_TYPES[kind].formats
    if not isinstance(form, str):
        raise told.error(f"format is {form!r}, and has to be a text")
    if formats is None and (form == "default" or "%" in form):
        return
    if formats is None or form not in formats:
        these = " or ".join(formats) if formats else "default, or a pattern such as %d.%m.%Y"
        raise told.error(f"the format {form!r} is not known of {kind}; it is {these}")


def _constraints(told: _Told, kind: str, reader: Reader) -> dict[str, Any]:
    """The constraints of a field, as its values are compared with them."""
    known = FIELD_TYPES[kind].constraints
    found: dict[str, Any] = {}
    for key, value in told.value.items():
        if key not in known:
            told.check_keys((*_CONSTRAINT_TYPES, *_BOUNDS))
            raise told.error(f"a field of type {kind} has no {key}; it may have {', '.join(sorted(known))}")
        if key in _BOUNDS:
            found[key] = _value(told, key, value, kind, reader)
            continue
        told.check_type(key, _CONSTRAINT_TYPES[key])
        if key == "enum":
            found[key] = [_value(told, key, each, kind, reader) for each in value]
        elif key == "pattern":
            found[key] = _pattern(told, value)
        elif value is not False:
            found[key] = value
    return found


def _value(told: _Told, key: str, value: Any, kind: str, reader: Reader) -> Any:
    """A value that cells are compared with, which JSON may have as a number or an object."""
    if kind in ("array", "object") and not isinstance(value, str):
        return value
    text = value
    if isinstance(value, bool):
        text = str(value).lower() if kind == "boolean" else None
    elif isinstance(value, int | float):
        if kind == "number" or (kind == "integer" and value == int(value)):
            return Decimal(str(value))  # whatever marks its texts have
        text = None if kind == "string" else str(value)
    elif not isinstance(value, str):
        text = json.dumps(value) if kind == "geopoint" else None
    try:
        if isinstance(text, str):
            return read_value(reader, text)
    except ValueError:
        pass
    raise told.error(f"{key} has {value!r}, which is no {kind}")


def _pattern(told: _Told, pattern: str) -> re.Pattern[str]:
    """A pattern that a whole text has to match, maybe with a line end behind it."""
    try:
        return re.compile(f"(?:{pattern})$")
    except re.error as error:
        raise told.error(f"pattern {pattern!r} is no regular expression: {error}") from error


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; {close[0]!r} is" if close else ""
