"""Runs the fault suite and tells its verdicts: `python tests/faults/running.py [--scale full] [--save] [-k NAME …]`.

Prints a table of counts, and ends with 1 if a content was lost, a version doubled or wrong, or a test failed.
"""

import argparse
import datetime as dt
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path

from save_patterns import PROGRAMS
from verdicts import LEDGER_VARIABLE, SCALES, SCENARIOS, Verdict, total

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
COUNTS = tuple(field.name for field in fields(Verdict) if field.name != "scenario")


def table(verdicts: Iterable[Verdict]) -> str:
    """The verdicts in columns, with their sums."""
    told = [asdict(verdict) for verdict in verdicts]
    told.append({"scenario": "all"} | {name: sum(row[name] for row in told) for name in COUNTS})
    rows = [("scenario", *COUNTS), *((row["scenario"], *(f"{row[name]:,}" for name in COUNTS)) for row in told)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))])
        for first, *rest in rows
    ]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def run(scale: str, arguments: list[str]) -> tuple[int, list[Verdict]]:
    """Run the tests of this folder that come to a verdict; pytest's exit code, and the verdicts."""
    with tempfile.TemporaryDirectory(prefix="csv_manager_faults_") as folder:
        ledger = Path(folder) / "verdicts.jsonl"
        environment = os.environ | {LEDGER_VARIABLE: str(ledger), "CSV_MANAGER_FAULTS_SCALE": scale}
        command = [sys.executable, "-m", "pytest", str(FOLDER), *arguments]
        code = subprocess.run(command, env=environment, check=False).returncode
        lines = ledger.read_text("utf-8").splitlines() if ledger.exists() else []
    return code, total(Verdict(**json.loads(line)) for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Run the fault suite and tell its verdicts; other options are pytest's."
    )
    parser.add_argument("--scale", choices=SCALES, default="bounded", help="how much of each fault (default: bounded)")
    parser.add_argument("--save", action="store_true", help=f"keep the verdicts in {RESULTS.name}, if no test failed")
    told, arguments = parser.parse_known_args()
    code, verdicts = run(told.scale, arguments)
    print(table(verdicts))
    missing = {*SCENARIOS} - {verdict.scenario for verdict in verdicts}
    if told.save and not missing and not code:
        saved = {
            "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "command": " ".join(["python", "tests/faults/running.py", *sys.argv[1:]]),
            "scale": asdict(SCALES[told.scale]),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "programs": [name for name, command in PROGRAMS.items() if shutil.which(command[0])],
            "verdicts": [asdict(verdict) for verdict in verdicts],
        }
        RESULTS.write_text(json.dumps(saved, indent=2) + "\n", encoding="utf-8")
    elif told.save:
        why = f"no verdict on {', '.join(sorted(missing))}" if missing else "a test failed"
        print(f"Not saved: {why}.", file=sys.stderr)
    return code or int(any(verdict.lost + verdict.doubled + verdict.wrong for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
