"""Opens files through the reader, in a process of its own, and says what came of each.

    python -m tests.core.data.verdicts FILE...

Prints one JSON object: for each file what `inspect` says of its data sets or of the whole, the
same of reading each data set, and the greatest resident memory of any reader.
"""

from __future__ import annotations

import json
import resource
import sys
from concurrent.futures import ThreadPoolExecutor

from app.core.data.files import Limits
from app.core.data.reader import inspect, open_patches
from app.core.errors import FilterscopeError

LIMITS = Limits(patience=20.0)


def outcome(path: str) -> dict[str, str | None]:
    """Return why each data set is refused; "" is the file as a whole, None means that it was read."""
    try:
        report = inspect(path, limits=LIMITS)
    except FilterscopeError as error:
        return {"": str(error)}
    said: dict[str, str | None] = {}
    for found in report.datasets:
        said[found.path] = found.refused
        try:
            # Also where the listing refuses it: who knows a name may ask for it.
            raw = open_patches(path, dataset=found.path, limits=LIMITS, report=report)
            said[found.path] = None if raw.count == found.count else "another number of patches"
        except FilterscopeError as error:
            said[found.path] = said[found.path] or str(error)
        if len(said) > 2:
            break
    said.update({found.path: found.refused for found in report.datasets if found.path not in said})
    return said


def main() -> int:
    with ThreadPoolExecutor(3) as pool:
        files = dict(zip(sys.argv[1:], pool.map(outcome, sys.argv[1:]), strict=True))
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    print(json.dumps({"files": files, "reader_mib": peak}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
