"""The symbolic links on the way to a file: where else than at its own name something may change it."""

import os

#: As many as Linux follows.
_MOST_LINKS = 40


def targets(path: str) -> tuple[str, ...]:
    """The other names that an absolute path leads through: links on the way to it, and at last the file itself."""
    found: list[str] = []
    way, rest, followed = os.sep, path.split(os.sep)[1:], 0
    while rest:
        name = rest.pop(0)
        if name in ("", "."):
            continue
        if name == "..":
            way = os.path.dirname(way)
            continue
        step = os.path.join(way, name)
        try:
            leads = os.readlink(step)
        except OSError:
            way = step
            continue
        found.append(step)
        followed += 1
        if followed > _MOST_LINKS:
            break
        if os.path.isabs(leads):
            way = os.sep
        rest = [*leads.split(os.sep), *rest]
    found.append(way)
    return tuple(name for name in dict.fromkeys(found) if name != path)
