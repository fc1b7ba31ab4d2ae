"""What real runs met, op by op and target by target, out of what `run --json` wrote.

A *way* of an op is an outcome with a state class that the rules of the model tell apart (`model/behaviour.py`): every
way in which the specification lets the op succeed, do nothing or fail, as far as the target can show it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import msgspec

from twinheap.fuzz.store import StoreError, read_bytes
from twinheap.model.behaviour import EXCLUDED, reachable
from twinheap.model.judge import Behaviour
from twinheap.model.observation import OK, SKIP
from twinheap.model.ops import OPS

WIDTH: Final = 120
"""Of a line of text."""


class Coverage(msgspec.Struct):
    """What the runs on one target met, added up.

    `runtime`, `release`, `collector`: as the target greets. `supported`: its op kinds and engines. `runs`: seed and
    profile of each. `outcomes`: by op and outcome. `missed`: ways that no run met. `known`: known defects met.
    """

    target: str
    runtime: str
    release: str
    collector: str
    supported: frozenset[str]
    missed: frozenset[Behaviour]
    runs: list[str] = []
    programs: int = 0
    ops: int = 0
    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    known: Counter[str] = msgspec.field(default_factory=Counter)
    findings: int = 0

    @property
    def ways(self) -> frozenset[Behaviour]:
        """Every way that the target can show."""
        return reachable(self.supported) - EXCLUDED.keys()

    def counts(self, op: str) -> tuple[int, int, int]:
        """How often an op was executed (skips are not), succeeded, and failed."""
        of_op = {outcome: count for (name, outcome), count in self.outcomes.items() if name == op}
        executed = sum(count for outcome, count in of_op.items() if outcome != SKIP)
        return executed, of_op.get(OK, 0), executed - of_op.get(OK, 0)

    def failures(self, op: str) -> tuple[int, int]:
        """In how many ways an op failed, and in how many it can."""
        ways = {way for way in self.ways if way[0] == op and way[1] not in (OK, SKIP)}
        return len(ways - self.missed), len(ways)


def read_runs(paths: Iterable[Path]) -> list[Coverage]:
    """The coverage of each target, in order, out of the files that `run --json` wrote. Raises StoreError."""
    found: dict[str, Coverage] = {}
    for path in paths:
        try:
            run = json.loads(read_bytes(path))
            add_run(found, run)
        except IndexError as error:
            raise StoreError(f"{path}: {error}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise StoreError(f"{path}: not what twinheap run --json writes, or of an older TwinHeap") from None
    return list(found.values())


def add_run(found: dict[str, Coverage], run: dict[str, Any]) -> None:
    """Adds the report of a run to the coverage by target. Raises IndexError for one of several targets."""
    if len(run["targets"]) != 1:
        raise IndexError("the counts of several targets are one in it: run each alone")
    [(target, hello)] = run["handshakes"].items()
    missed = frozenset(map(_way, run["behaviours"]["missed"]))
    one = Coverage(
        target=target,
        runtime=hello["runtime"],
        release=hello["release"],
        collector=hello["collector"],
        supported=frozenset(hello["supported"]),
        missed=missed,
    )
    one = found.setdefault(target, one)
    one.missed &= missed
    one.runs.append(f"{run['profile']}, seed {run['seed']}")
    one.programs += run["programs"]
    one.ops += run["ops"]
    one.seconds += run["seconds"]
    one.findings += len(run["findings"])
    for op, outcomes in run["outcomes"].items():
        one.outcomes.update({(op, outcome): count for outcome, count in outcomes.items()})
    one.known.update({each["defect"]: each["count"] for each in run["expected"]})


def _way(text: str) -> Behaviour:
    op, outcome, case = text.split("/")
    return op, outcome, case


def matrix(covered: Sequence[Coverage]) -> list[str]:
    """The op x target matrix in lines: executed, succeeded, failed, and in how many of the ways to fail."""
    heads = ("executed", "ok", "failed", "ways")
    names = [f"{at}: {_described(one)}" for at, one in enumerate(covered, 1)]
    blank = " " * 18
    lines = [*names, "", blank + "".join(f"{at:>35}" for at in range(1, len(covered) + 1))]
    lines.append(f"{'op':18}" + "".join(f"{heads[0]:>11}{heads[1]:>9}{heads[2]:>8}{heads[3]:>7}" for _ in covered))
    for spec in OPS:
        lines.append(f"{spec.name:18}" + "".join(_cells(one, spec.name) for one in covered))
    return [line.rstrip() for line in lines]


def _cells(one: Coverage, op: str) -> str:
    if op not in one.supported:
        return f"{'-':>11}{'':>24}"
    executed, ok, failed = one.counts(op)
    met, ways = one.failures(op)
    return f"{executed:>11}{ok:>9}{failed:>8}{f'{met}/{ways}' if ways else '':>7}"


def not_met(one: Coverage) -> list[str]:
    """The ways of a target that no run met, in lines."""
    left = sorted("/".join(way) for way in one.ways & one.missed)
    if not left:
        return [f"{one.target}: every way was met"]
    text = f"{one.target}: {len(left)} of {len(one.ways)} ways were not met: {', '.join(left)}"
    return fill(text, WIDTH, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False).splitlines()


def entry(one: Coverage) -> dict[str, Any]:
    """One target's counts as JSON."""
    rows = {}
    for spec in OPS:
        if spec.name in one.supported:
            executed, ok, failed = one.counts(spec.name)
            met, ways = one.failures(spec.name)
            rows[spec.name] = {"executed": executed, "ok": ok, "failed": failed, "failures_met": met, "failures": ways}
    return {
        "name": one.target,
        "runtime": one.runtime,
        "release": one.release,
        "collector": one.collector,
        "programs": one.programs,
        "ops": one.ops,
        "seconds": one.seconds,
        "counts": rows,
        "ways": len(one.ways),
        "missed": sorted("/".join(way) for way in one.ways & one.missed),
    }


def page(covered: Sequence[Coverage]) -> str:
    """The matrix as a Markdown page, a table for each target."""
    lines = [_HEAD]
    for one in covered:
        lines += [f"## `{one.target}`", "", fill(_told(one), WIDTH), ""]
        lines += ["| op | executed | ok | failed | ways to fail | not met |", "|---" * 6 + "|"]
        lines += [_row(one, spec.name) for spec in OPS if spec.name in one.supported]
        absent = [f"`{spec.name}`" for spec in OPS if spec.name not in one.supported]
        lines += ["", fill("It has no " + ", ".join(absent) + ".", WIDTH), ""] if absent else [""]
    return "\n".join(lines).rstrip() + "\n"


_HEAD: Final = """# Which ops meet which outcomes

Counts of real runs on each target: how often each op was executed (skipped ones left out), how often it succeeded and
failed (errors, exceptions, traps and panics), in how many of the ways in which the specification lets it fail, as far
as the target can show them; and every way, success and skip included, that no run met. Made by `benches/coverage.py`
from `twinheap run --json`; `twinheap targets --runs FILE ...` shows the same on the terminal.
"""


def _row(one: Coverage, op: str) -> str:
    executed, ok, failed = one.counts(op)
    met, ways = one.failures(op)
    left = ", ".join(sorted("/".join(way[1:]) for way in one.ways & one.missed if way[0] == op))
    cells = (op, executed or "", ok or "", failed or "", f"{met} of {ways}" if ways else "", left)
    return f"| {' | '.join(map(str, cells))} |"


def _described(one: Coverage) -> str:
    what = f"{one.runtime} {one.release}, {one.collector}"
    return f"{one.target}  {what}: {one.programs:,} programs, {one.ops:,} ops in {one.seconds:,.0f} s"


def _told(one: Coverage) -> str:
    known = ", ".join(f"{name} {count}" for name, count in sorted(one.known.items(), key=_by_number)) or "none"
    met = len(one.ways - one.missed)
    return (
        f"{one.runtime} {one.release}, {one.collector}: {one.programs:,} programs ({'; '.join(one.runs)}), "
        f"{one.ops:,} ops in {one.seconds:,.0f} s; {met} of {len(one.ways)} ways met. "
        f"Known defects met: {known}. Findings: {one.findings}."
    )


def _by_number(item: tuple[str, int]) -> int:
    return int(item[0][1:])
