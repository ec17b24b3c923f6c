"""Cells as messages quote them."""

_SHOWN = 40


def shown(cell: str) -> str:
    """A cell in quotes, and not too much of it."""
    return repr(cell if len(cell) <= _SHOWN else f"{cell[: _SHOWN - 1]}…")
