"""Outcomes per op of recorded runs, as a Markdown page: `coverage.py RUN.json...` > docs/coverage.md.

The files are what `twinheap run --json FILE` writes, of one target each.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from textwrap import fill
from typing import Any, Final

from twinheap.targets.wire import OP_NAMES

FAMILIES: Final = ("ok", "skip", "err", "exn", "trap", "panic")
"""Kinds of outcomes: an outcome's text up to its colon."""

WIDTH: Final = 120  # of a line of text

HEAD: Final = """# Which ops meet which outcomes

Counts of a real run on each target: how often each op ended so. `err`, `trap` and `panic` stand for all errors, traps
and panics. An empty field is 0. Made by `benches/coverage.py` from `twinheap run --json`.
"""


def table(run: dict[str, Any]) -> list[str]:
    """The lines of one run: a line for each op, in the order of the op table."""
    lines = [f"| op | {' | '.join(FAMILIES)} |", "|---" * (len(FAMILIES) + 1) + "|"]
    for name in OP_NAMES:
        counts: Counter[str] = Counter()
        for outcome, count in run["outcomes"].get(name, {}).items():
            counts[outcome.partition(":")[0]] += count
        lines.append(f"| {name} | {' | '.join(str(counts[family] or '') for family in FAMILIES)} |")
    return lines


def section(run: dict[str, Any]) -> str:
    """One run: what it was, and its table."""
    (target, is_what), *_ = run["handshakes"].items()
    known = ", ".join(f"{each['defect']} {each['count']}" for each in run["expected"]) or "none"
    behaviours = run["behaviours"]
    met = behaviours["universe"] - len(behaviours["missed"])  # of those that its ops can have
    about = f"""{is_what["runtime"]} {is_what["release"]}, {is_what["collector"]}: profile `{run["profile"]}`,
seed {run["seed"]}, {run["programs"]:,} programs, {run["ops"]:,} ops in {run["seconds"]:.1f} s;
{met} of {behaviours["universe"]} behaviours met. Known defects met: {known}. Findings: {len(run["findings"])}."""
    return "\n".join([f"## `{target}`", "", fill(" ".join(about.split()), WIDTH), "", *table(run), ""])


def main() -> None:
    """Prints the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN.json")
    pages = [HEAD]
    for path in parser.parse_args().runs:
        with open(path, encoding="utf-8") as file:
            pages.append(section(json.load(file)))
    print("\n".join(pages).rstrip())


if __name__ == "__main__":
    main()
