"""``python -m twinheap``: the same as the ``twinheap`` command."""

from __future__ import annotations

import sys

from twinheap.cli import main

if __name__ == "__main__":
    sys.exit(main())
