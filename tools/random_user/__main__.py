"""Use the window at random for a while: ``python -m tools.random_user --seed 0 --actions 2000``.

Everything happens in a temporary folder: a home with its settings, the runs, files good and bad.
The program is started, used, closed in the middle of whatever it does, and started again. The
first thing that goes wrong ends it: it is printed with the seed, the last thirty actions and the
stacks of all threads, and the folder stays. The same seed tries the same things in the same order,
but threads have their own pace: what was found may need a second try.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
from collections.abc import Sequence

from tools.random_user.scratch import Scratch

SCALES = ("1", "1", "1.25", "2")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="random_user", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--actions", type=int, default=2000)
    parser.add_argument("--patience", type=float, default=5.0, help="seconds of silence allowed")
    options = parser.parse_args(argv)
    choose = random.Random(options.seed)
    scratch = Scratch()
    scratch.take_over()
    scratch.fill()
    # Qt and NumPy read these when they are imported.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QT_SCALE_FACTOR", choose.choice(SCALES))
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    from app import crash
    from app.launch import limit_threads

    limit_threads()
    crash.start_log()
    crash.install()
    from tools.random_user.sessions import use

    done, figures = use(options.seed, options.actions, choose, scratch, options.patience)
    crash.end_log()
    shutil.rmtree(scratch.root, ignore_errors=True)
    print(f"seed {options.seed}: {done} actions, nothing found. {figures}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
