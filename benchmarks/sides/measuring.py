"""What a side tells of itself."""

import re
import resource
import sys
from pathlib import Path


def peak() -> float:
    """The largest resident memory of this process so far, in MB.

    Linux counts in ru_maxrss what the parent had at the fork, which is as much as a small child ever has; VmHWM is
    the same figure of this program alone.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.MULTILINE)
        if found:
            return int(found[1]) / (1 << 10)
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1 << 20 if sys.platform == "darwin" else 1 << 10)
