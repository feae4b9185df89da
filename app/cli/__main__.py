"""``python -m app.cli``."""

from __future__ import annotations

import sys

from app.cli.parser import main

if __name__ == "__main__":
    sys.exit(main())
