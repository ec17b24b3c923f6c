"""The types of Frictionless Table Schema: which texts are values of each, and which values those are.

A text is read as the frictionless library 5 reads it (https://datapackage.org/standard/table-schema/#field-types); the
formats `any`, which guess, and the types `list` and `geojson` are not known.
"""

import base64
import binascii
import datetime as dt
import json
import math
import operator
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

#: What reads a text as a value; raises `ValueError` for a text that is none.
Reader = Callable[[str], Any]

_TRUE, _FALSE = ("true", "True", "TRUE", "1"), ("false", "False", "FALSE", "0")
#: What is not of a number that may have more about it, as in `$5` and `5 EUR`.
_ABOUT_NUMBER = re.compile(r"((^[^-\d]*)|(\D*$))")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
#: https://html.spec.whatwg.org/#valid-e-mail-address
_EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+"
)
#: The scheme of RFC 3986, 3.1, and what no reference has in it.
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:[^\s<>\"{}|\\^`]*")
_AMOUNT = r"\d+(?:[.,]\d+)?"
#: https://www.iso.org/iso-8601-date-and-time-format.html, 4.4.3.2
_DURATION = re.compile(
    rf"[+-]?P(?!\Z)(?:{_AMOUNT}Y)?(?:{_AMOUNT}M)?(?:{_AMOUNT}W)?(?:{_AMOUNT}D)?"
    rf"(?:T(?:{_AMOUNT}H)?(?:{_AMOUNT}M)?(?:{_AMOUNT}S)?)?",
    re.ASCII,
)
_MIDNIGHT = re.compile(r"(?<=T)24(?=:00(?::00(?:[.,]0+)?)?)")
_YEAR_DIGITS, _LATEST_YEAR, _MONTHS = 4, 9999, 12
_TIME_COLON, _TIME_LENGTH, _DATETIME_COLON, _DATETIME_LENGTH = 5, 8, 16, 19
_LONGITUDE, _LATITUDE = 180, 90


@dataclass(frozen=True, kw_only=True)
class FieldType:
    """A type: the constraints and options that it may have, its formats, and how it makes a reader.

    `formats` is None if a format may be any pattern of strptime's.
    """

    constraints: frozenset[str]
    reader: Callable[[str, Mapping[str, Any]], Reader]
    formats: tuple[str, ...] | None = ("default",)
    options: Mapping[str, type] = field(default_factory=dict)
    #: How many texts at once are proved to be values, with them; None where each has to be read by itself.
    bulk: Callable[[Iterable[str]], list[Any]] | None = None


def _text(_format: str, _options: Mapping[str, Any]) -> Reader:
    return _TEXTS[_format]


def _same(text: str) -> str:
    return text


def _matching(pattern: re.Pattern[str], what: str) -> Reader:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(what)
        return text

    return read


def _binary(text: str) -> str:
    base64.b64decode(text)
    return text


def _uuid(text: str) -> str:
    if str(uuid.UUID(text)) != text.lower():
        raise ValueError(text)
    return text


_TEXTS: Mapping[str, Reader] = {
    "default": _same,
    "email": _matching(_EMAIL, "no address"),
    "uri": _matching(_URI, "no URI"),
    "binary": _binary,
    "uuid": _uuid,
}


def _integer(_format: str, options: Mapping[str, Any]) -> Reader:
    if options.get("bareNumber", True):
        return int
    return lambda text: int(_ABOUT_NUMBER.sub("", text.strip()))


def _number(_format: str, options: Mapping[str, Any]) -> Reader:
    group, point = options.get("groupChar", ""), options.get("decimalChar", ".")
    is_bare = options.get("bareNumber", True)
    if not options:
        return _decimal

    def read(text: str) -> Decimal:
        told = text.strip()
        if not is_bare:
            told = _ABOUT_NUMBER.sub("", told)
        told = told.replace(group, "") if group else told
        if point != "." and "." in told:
            raise ValueError(text)
        return _decimal(told.replace(point, "."))

    return read


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(text) from error


def _floats(texts: Iterable[str]) -> list[float]:
    """Numbers that are as large as the decimals, or next to it; NaN, which is not to be compared, is refused."""
    values = list(map(float, texts))
    total = sum(values)
    if total != total and any(map(math.isnan, values)):  # noqa: PLR0124 - it is NaN, or of both infinities
        raise ValueError
    return values


def _boolean(_format: str, options: Mapping[str, Any]) -> Reader:
    values = dict.fromkeys(options.get("trueValues", _TRUE), True)
    values |= dict.fromkeys(options.get("falseValues", _FALSE), False)

    def read(text: str) -> bool:
        try:
            return values[text]
        except KeyError:
            raise ValueError(text) from None

    return read


def _date(form: str, _options: Mapping[str, Any]) -> Reader:
    def read(text: str) -> dt.date:
        if form == "default" and _DATE.match(text):
            return dt.date.fromisoformat(text)
        return dt.datetime.strptime(text, "%Y-%m-%d" if form == "default" else form).date()  # noqa: DTZ007 - a day

    return read


def _dates(texts: Iterable[str]) -> list[dt.date]:
    told = list(texts)
    if not all(map(_DATE.match, told)):
        raise ValueError
    return list(map(dt.date.fromisoformat, told))


def _datetimes(texts: Iterable[str]) -> list[dt.datetime]:
    told = list(texts)
    if min(map(len, told)) < _DATETIME_LENGTH or set(map(operator.itemgetter(_DATETIME_COLON), told)) != {":"}:
        raise ValueError
    return list(map(dt.datetime.fromisoformat, told))


def _time(form: str, _options: Mapping[str, Any]) -> Reader:
    def read(text: str) -> dt.time:
        if form != "default":
            return dt.datetime.strptime(text, form).timetz()  # noqa: DTZ007 - it may have no zone
        if len(text) < _TIME_LENGTH or text[_TIME_COLON] != ":":
            raise ValueError(text)
        return _moment(f"2000-01-01T{text}").timetz()

    return read


def _datetime(form: str, _options: Mapping[str, Any]) -> Reader:
    def read(text: str) -> dt.datetime:
        if form != "default":
            return dt.datetime.strptime(text, form)  # noqa: DTZ007 - it may have no zone
        if len(text) < _DATETIME_LENGTH or text[_DATETIME_COLON] != ":":
            raise ValueError(text)
        return _moment(text)

    return read


def _moment(text: str) -> dt.datetime:
    """A time of ISO 8601, which ends a day with 24:00."""
    told = _MIDNIGHT.sub("00", text)
    return dt.datetime.fromisoformat(told) + dt.timedelta(days=told != text)


def _year(_format: str, _options: Mapping[str, Any]) -> Reader:
    def read(text: str) -> int:
        if len(text) != _YEAR_DIGITS or not 0 <= (year := int(text)) <= _LATEST_YEAR:
            raise ValueError(text)
        return year

    return read


def _yearmonth(_format: str, _options: Mapping[str, Any]) -> Reader:
    def read(text: str) -> tuple[int, int]:
        year, month = map(int, text.split("-"))
        if not 1 <= month <= _MONTHS:
            raise ValueError(text)
        return year, month

    return read


def _duration(_format: str, _options: Mapping[str, Any]) -> Reader:
    return _matching(_DURATION, "no duration")


def _json(kind: type) -> Callable[[str, Mapping[str, Any]], Reader]:
    def reader(_format: str, _options: Mapping[str, Any]) -> Reader:
        def read(text: str) -> Any:
            try:
                value = json.loads(text)
            except RecursionError as error:
                raise ValueError(text) from error
            if not isinstance(value, kind):
                raise ValueError(text)  # noqa: TRY004 - the text is wrong, not what called this
            return value

        return read

    return reader


def _geopoint(form: str, _options: Mapping[str, Any]) -> Reader:
    def read(text: str) -> tuple[Decimal, Decimal]:
        if form == "default":
            longitude, latitude = text.split(",")
        else:
            told = json.loads(text)
            if form == "object":
                told = [told["lon"], told["lat"]] if isinstance(told, dict) and set(told) == {"lon", "lat"} else []
            longitude, latitude = map(str, told)
        point = _decimal(longitude), _decimal(latitude)
        if not (abs(point[0]) <= _LONGITUDE and abs(point[1]) <= _LATITUDE):
            raise ValueError(text)
        return point

    return read


_ORDERED = frozenset({"required", "unique", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum"})
_PLAIN = frozenset({"required", "unique", "enum"})
_LONG = frozenset({"required", "unique", "minLength", "maxLength", "enum"})
_BARE: dict[str, type] = {"bareNumber": bool}

#: By the name that a descriptor has for each.
FIELD_TYPES: Mapping[str, FieldType] = {
    "any": FieldType(constraints=_PLAIN, reader=lambda *_: _same),
    "string": FieldType(constraints=_LONG | {"pattern"}, reader=_text, formats=tuple(_TEXTS)),
    "integer": FieldType(
        constraints=_ORDERED, reader=_integer, options=_BARE, bulk=lambda texts: list(map(int, texts))
    ),
    "number": FieldType(
        constraints=_ORDERED,
        reader=_number,
        options=_BARE | {"decimalChar": str, "groupChar": str, "floatNumber": bool},
        bulk=_floats,
    ),
    "boolean": FieldType(constraints=_PLAIN, reader=_boolean, options={"trueValues": list, "falseValues": list}),
    "date": FieldType(constraints=_ORDERED, reader=_date, formats=None, bulk=_dates),
    "time": FieldType(constraints=_ORDERED, reader=_time, formats=None),
    "datetime": FieldType(constraints=_ORDERED, reader=_datetime, formats=None, bulk=_datetimes),
    "year": FieldType(constraints=_ORDERED, reader=_year),
    "yearmonth": FieldType(constraints=_ORDERED, reader=_yearmonth),
    "duration": FieldType(constraints=_PLAIN, reader=_duration),
    "array": FieldType(constraints=_LONG, reader=_json(list)),
    "object": FieldType(constraints=_LONG, reader=_json(dict)),
    "geopoint": FieldType(constraints=_PLAIN, reader=_geopoint, formats=("default", "array", "object")),
}


def read_value(read: Reader, text: str) -> Any:
    """What a reader makes of a text; raises `ValueError` for one that it takes no value from, whatever it said."""
    try:
        return read(text)
    except (ArithmeticError, TypeError, binascii.Error) as error:
        raise ValueError(text) from error
