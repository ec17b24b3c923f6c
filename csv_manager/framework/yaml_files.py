"""YAML as settings are written in: plain data, and `!include other.yaml` for what another file holds.

Errors name the file and the line, and nothing of a value.
"""

import codecs
import functools
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.constructor import SafeConstructor
from yaml.reader import ReaderError

from csv_manager.core.errors import ConfigurationError, clause
from csv_manager.core.masking import word_of
from csv_manager.core.paths import os_reason, stat_regular
from csv_manager.framework.variables import PlacedText

_INCLUDE = "!include"
_NULL = "tag:yaml.org,2002:null"
#: Aliases of aliases make so many values out of a few lines.
_MOST_VALUES = 100_000
_DEEPEST = 100
#: Names in the messages of PyYAML; a password that begins with * or ! without quotes is taken for one.
_NAMES = re.compile(r"\b(alias|anchor|handle) '[^']*'")

Include = Callable[[yaml.Node], yaml.Node]


def read_yaml(path: Path) -> Any:
    """What a file holds, other files included; its texts are `PlacedText`. Raises `ConfigurationError`."""
    return _constructed(_Files(path).top(), str(path), places=True)


def parse_yaml(text: str, origin: str) -> Any:
    """What a text holds that came from no file, and so can include none. Raises `ConfigurationError`."""
    return _constructed(_composed(text, origin, _refuse_include), origin, places=False)


class _Files:
    """The files of one reading, of which none may lie outside of the folder that the first is named in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = os.path.realpath(path.parent)
        self._nodes: dict[str, yaml.Node] = {}

    def top(self) -> yaml.Node:
        """What the first file holds."""
        resolved = os.path.realpath(self._path)
        try:
            return self._read(resolved, str(self._path), (resolved,))
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be read: {os_reason(error)}.") from None

    def _read(self, resolved: str, name: str, chain: tuple[str, ...]) -> yaml.Node:
        """What a file holds; `chain` are the files that include it, and itself."""
        if resolved not in self._nodes:
            stat_regular(resolved)
            text = _decoded(Path(resolved).read_bytes(), name)
            self._nodes[resolved] = _composed(text, name, functools.partial(self._included, chain))
        return self._nodes[resolved]

    def _included(self, chain: tuple[str, ...], node: yaml.Node) -> yaml.Node:
        """What the file holds that a node includes."""
        if not (isinstance(node, yaml.ScalarNode) and node.value.isprintable() and node.value):
            raise _refusal(node, "!include takes the name of one file.")
        folder = os.path.dirname(chain[-1]) if len(chain) > 1 else self._folder
        resolved = os.path.realpath(os.path.join(folder, node.value))
        if os.path.commonpath((self._folder, resolved)) != self._folder:
            raise _refusal(node, f"{node.value} lies outside of {self._folder}; only files in there can be included.")
        if resolved in chain:
            names = " -> ".join(os.path.relpath(path, self._folder) for path in (*chain, resolved))
            raise _refusal(node, f"files include each other: {names}; take one of the !include out.")
        try:
            return self._read(resolved, resolved, (*chain, resolved))
        except FileNotFoundError:
            raise _refusal(node, f"there is no file {resolved} to include.") from None
        except OSError as error:
            raise _refusal(node, f"{resolved} cannot be included: {os_reason(error)}.") from None


def _refuse_include(node: yaml.Node) -> yaml.Node:
    raise _refusal(node, "!include is for files.")


class _Loader(yaml.SafeLoader):
    """Makes the nodes of a text, with those of included files in their places."""

    def __init__(self, text: str, name: str, include: Include) -> None:
        super().__init__(text)
        self.name = name
        self._include = include

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node."""
        node = super().compose_node(parent, index)
        return self._include(node) if node is not None and node.tag == _INCLUDE else node


class _Constructor(SafeConstructor):
    """Makes values of nodes; what has no plain meaning is refused in our words. With `places`, texts know theirs."""

    def __init__(self, *, places: bool) -> None:
        super().__init__()
        self._places = places

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node."""
        if node.tag not in self.yaml_constructors:
            raise _refusal(node, "only the tag !include is known; put a text that begins with ! in quotes.")
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # of a text that does not fit its tag
            kind = node.tag.rpartition(":")[2]
            raise _refusal(node, f"this is no {kind}; put a text in quotes.") from None
        return PlacedText(value, _place(node)) if self._places and isinstance(value, str) else value


class _Size(NamedTuple):
    """How many values a node makes, and how many lie in each other."""

    values: int
    depth: int


class _Measure:
    """Measures nodes. Refuses what is too large, a value that contains itself, and a key that stands twice."""

    def __init__(self) -> None:
        self._sizes: dict[yaml.Node, _Size] = {}
        self._above: set[yaml.Node] = set()

    def size(self, node: yaml.Node) -> _Size:
        """The size of a node. Raises `ConfigurationError`."""
        if node in self._above:
            raise _refusal(node, "this value contains itself.")
        if node not in self._sizes:
            self._above.add(node)
            inner = [self.size(child) for child in _children(node)]
            self._above.remove(node)
            values, depths = (size.values for size in inner), (size.depth for size in inner)
            self._sizes[node] = _Size(1 + sum(values), 1 + max(depths, default=0))
        size = self._sizes[node]
        if size.values > _MOST_VALUES:
            raise _refusal(node, f"these are more than {_MOST_VALUES:,} values; are there aliases of aliases?")
        if size.depth > _DEEPEST:
            raise _refusal(node, f"more than {_DEEPEST} values lie in each other; write them flatter.")
        return size


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    """The nodes in a node. Raises `ConfigurationError` for a key of a mapping that stands twice."""
    if not isinstance(node, yaml.MappingNode):
        return list(node.value) if isinstance(node, yaml.SequenceNode) else ()
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            told = key.tag, key.value
            if told in lines:
                raise _refusal(key, f"the key '{word_of(key.value)}' stands in line {lines[told]} already.")
            lines[told] = key.start_mark.line + 1
    return [part for pair in node.value for part in pair]


def _composed(text: str, name: str, include: Include) -> yaml.Node:
    """The root node of a text; an empty one holds nothing."""
    try:
        root = _Loader(text, name, include).get_single_node()
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(f"{name}, line {line}: a control character; write it as an escape.") from None
    except yaml.MarkedYAMLError as error:
        raise _told(error, name) from None
    except RecursionError:
        raise ConfigurationError(f"{name}: too many values lie in each other; write them flatter.") from None
    if root is None:
        mark = yaml.Mark(name, 0, 0, 0, None, 0)
        root = yaml.ScalarNode(_NULL, "", mark, mark)
    return root


def _constructed(root: yaml.Node, name: str, *, places: bool) -> Any:
    try:
        _Measure().size(root)
        return _Constructor(places=places).construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _told(error, name) from None


def _decoded(content: bytes, name: str) -> str:
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}, line {line}: these bytes are no text; save the file as UTF-8.") from None


def _told(error: yaml.MarkedYAMLError, name: str) -> ConfigurationError:
    """An error of PyYAML in one line, without the names that it tells."""
    mark = error.problem_mark or error.context_mark
    place = f"{mark.name}, line {mark.line + 1}" if mark else name
    said = _NAMES.sub(r"\1", clause(" ".join(filter(None, (error.context, error.problem)))))
    return ConfigurationError(f"{place}: {said}; is a text to be put in quotes?")


def _refusal(node: yaml.Node, what: str) -> ConfigurationError:
    return ConfigurationError(f"{_place(node)}: {what}")


def _place(node: yaml.Node) -> str:
    return f"{node.start_mark.name}, line {node.start_mark.line + 1}"
