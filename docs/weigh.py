"""Says what each dependency weighs where it is installed: `python docs/weigh.py`.

For each: its version, the size of its own files, and their size together with what it requires in its turn.
"""
# ruff: noqa: INP001, T201 - a script beside the pages, which prints its answer

import importlib.metadata
import re


def name_of(requirement: str) -> str:
    """The name in a requirement such as `click>=8.1`."""
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def requirements(name: str) -> list[str]:
    """What an installed package requires without extras."""
    return [name_of(line) for line in importlib.metadata.requires(name) or [] if "extra ==" not in line]


def size(name: str) -> int:
    """Bytes of the files of an installed package, compiled ones left out; 0 if it is not installed."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return 0
    paths = (file.locate() for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.exists())


def closure(name: str, known: set[str]) -> set[str]:
    """A package and everything that it requires in its turn, as far as it is installed."""
    if name not in known:
        try:
            needed = requirements(name)
        except importlib.metadata.PackageNotFoundError:
            return known
        known.add(name)
        for needs in needed:
            closure(needs, known)
    return known


def main() -> None:
    """Print a line for each dependency, and one for all."""
    print(f"{'package':<20} {'version':<12} {'itself':>9} {'with its own':>13}")
    everything: set[str] = set()
    for name in requirements("csv_manager"):
        together = closure(name, set())
        everything |= together
        mega = [sum(map(size, names)) / 1e6 for names in ([name], together)]
        print(f"{name:<20} {importlib.metadata.version(name):<12} {mega[0]:>6.1f} MB {mega[1]:>10.1f} MB")
    print(f"{'all together':<33} {sum(map(size, everything)) / 1e6:>6.1f} MB")


if __name__ == "__main__":
    main()
