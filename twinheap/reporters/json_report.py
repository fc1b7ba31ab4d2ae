"""Results as one JSON object, with stable keys (`version` 1)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from twinheap.fuzz.events import FindingMade, Summary
from twinheap.fuzz.store import StoreError, check_file, write_atomically

VERSION: Final = 1
"""Of the object: raised when a key changes its meaning. New keys do not raise it."""


def check_json(target: str | None) -> None:
    """Makes sure, before anything runs, that `write_json` can write to `target`. Raises StoreError."""
    if target is not None and target != "-":
        check_file(Path(target))


def write_json(target: str, report: dict[str, Any]) -> None:
    """Writes `report` to the file `target`, or to standard output for "-". Raises StoreError."""
    data = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    elif Path(target).exists() and not Path(target).is_file():  # a pipe or a device
        try:
            with open(target, "wb") as file:
                file.write(data)
        except OSError as error:
            raise StoreError(f"{target}: {error.strerror or error}") from None
    else:
        write_atomically(Path(os.path.abspath(target)), data)


def run_report(summary: Summary) -> dict[str, Any]:
    """The object of `run` and `fuzz`."""
    statistics = summary.statistics
    return {
        "version": VERSION,
        "programs": statistics.programs,
        "ops": statistics.ops,
        "seconds": round(summary.seconds, 3),
        "seed": summary.seed,
        "profile": summary.profile,
        "targets": list(summary.targets),
        "handshakes": {
            name: {
                "runtime": h.runtime,
                "release": h.release,
                "collector": h.collector,
                "exact": h.exact,
                "supported": sorted(h.supported),
            }
            for name, h in summary.targets.items()
        },
        "findings": [finding_entry(made) for made in summary.findings],
        "expected": [
            {"defect": name, "count": count}
            for name, count in sorted(statistics.known.items())
            if not any(made.finding.known == name for made in summary.findings)
        ],
        "outcomes": _outcomes(summary),
        "behaviours": {
            "met": len(statistics.behaviours),
            "universe": summary.universe,
            "missed": ["/".join(behaviour) for behaviour in summary.missed],
        },
        "distinct": round(statistics.sketch.share, 4),
        "restarts": statistics.restarts,
    }


def finding_entry(made: FindingMade) -> dict[str, Any]:
    """One element of `findings`."""
    finding = made.finding
    return {
        "code": finding.code,
        "signature": finding.signature,
        "target": f"{finding.other} | {finding.target}" if finding.other else finding.target,
        "release": finding.release,
        "program": str(made.path) if made.path else None,
        "ops": finding.ops,
        "original_ops": finding.original_ops,
        "seconds": finding.seconds,
        "flaky": finding.flaky is not None,
        "known": finding.known,
        "seed": finding.seed,
        "number": finding.number,
        "allowed": finding.allowed,
        "observed": finding.observed,
        "new": made.new,
    }


def _outcomes(summary: Summary) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (op, outcome), count in sorted(summary.statistics.outcomes.items()):
        table.setdefault(op, {})[outcome] = count
    return table
