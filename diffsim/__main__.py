"""``python -m diffsim``: the same as the command ``diffsim``."""

from __future__ import annotations

import sys

from diffsim.cli import main

if __name__ == "__main__":
    sys.exit(main())
