"""Measures csv_manager against its peers and floors: `python benchmarks/run.py [--quick] [--save] [NAME…]`.

Prints one table. Every figure is a ratio against something that was measured in the same run, by turns.
"""

import argparse
import datetime as dt
import importlib
import json
import os
import platform
import sys
from pathlib import Path

from harness import BenchmarkError, Figure, say, table

#: Modules beside this one, in the order in which they run; each has SUMMARY and measure(quick=…).
BENCHMARKS = ("startup", "latency", "watching", "diff", "archive", "checks", "runs", "sync", "audit")
RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    modules = {name: importlib.import_module(name) for name in BENCHMARKS}
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description="Measure csv_manager, as ratios to peers and floors of the same run.",
        epilog="\n".join(f"{name:9} {module.SUMMARY}" for name, module in modules.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller files: a check, not a figure")
    parser.add_argument("--save", action="store_true", help=f"keep the figures in benchmarks/{RESULTS.name} too")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in modules]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; known are {', '.join(BENCHMARKS)}")
    runs: dict[str, object] = {}
    figures: list[Figure] = []
    try:
        for name in given.names or BENCHMARKS:
            say(f"{name}: {modules[name].SUMMARY}")
            load = os.getloadavg()[0]
            found = list(modules[name].measure(quick=given.quick))
            runs[name] = _run(found, load, quick=given.quick)
            figures += found
    except BenchmarkError as error:
        say(f"Error: {error}")
        return 2
    print(table(figures))
    if given.save:
        saved = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps(saved | runs, indent=2) + "\n", encoding="utf-8")
        say(f"Wrote {RESULTS.name}.")
    return 0


def _run(figures: list[Figure], load: float, *, quick: bool) -> dict[str, object]:
    """What is saved of a benchmark: when, how and on what it ran, how busy that was before, and the figures."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "command": " ".join(["python", "benchmarks/run.py", *sys.argv[1:]]),
        "quick": quick,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "load_before": round(load, 2),
        "figures": [row.to_json() for row in figures],
    }


if __name__ == "__main__":
    sys.exit(main())
