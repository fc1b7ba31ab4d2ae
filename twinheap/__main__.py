"""``python -m twinheap`` and the ``twinheap`` command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the process's command line, and return its exit code; Ctrl-C is told in a line also while it is loaded."""
    try:
        from twinheap.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("twinheap: interrupted", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
