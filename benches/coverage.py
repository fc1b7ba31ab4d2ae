"""What recorded runs met, op by op, as a Markdown page: `coverage.py RUN.json...` > docs/coverage.md.

The files are what `twinheap run --json FILE` writes, of one target each; several of one target are added up.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from twinheap.reporters.coverage import page, read_runs


def main() -> None:
    """Prints the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN.json", type=Path)
    print(page(read_runs(parser.parse_args().runs)), end="")


if __name__ == "__main__":
    main()
