"""A run on the terminal: live progress, each finding when it is made, and a summary.

Results go to standard output and progress to standard error, so that a pipe gets only results.
"""

from __future__ import annotations

import shlex
import sys
import textwrap
import time
from typing import Final

from rich.console import Console
from rich.markup import escape

from twinheap.fuzz.events import Ended, Event, FindingMade, Progress, Started, Summary, Warned
from twinheap.fuzz.record import Finding

LOG_EVERY: Final = 60.0
"""Seconds between progress lines where standard error is no terminal: a night gives 360 lines."""

MAX_TEXT: Final = 160
"""Characters of an observation that are shown; a fill may finalize thousands of values at once."""


class TerminalReporter:
    """A listener of one run. `quiet`: results go to standard error too, since standard output is taken."""

    def __init__(self, quiet: bool = False) -> None:
        self._out = Console(stderr=quiet, highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._live = self._err.is_terminal
        self._logged_at = time.monotonic()
        self._line = 0  # columns of the progress line that stands there
        self._last = Progress(0.0, 0, 0, 0, 0, 0, 0)

    def __call__(self, event: Event) -> None:
        """Shows one event."""
        if isinstance(event, Progress):
            self._progress(event)
            return
        self._clear()
        if isinstance(event, Started):
            self._started(event)
        elif isinstance(event, FindingMade):
            self._finding(event)
        elif isinstance(event, Warned):
            self._err.print(f"[yellow]warning:[/] {escape(event.text)}")
        elif isinstance(event, Ended):
            self._ended(event)

    # --- while it runs

    def _started(self, event: Started) -> None:
        names = ", ".join(_described(name, hello.release) for name, hello in event.targets.items())
        bound = f"{event.seconds:g} s" if event.seconds is not None else "until Ctrl-C"
        bound = f"{event.programs} programs" if event.programs is not None else bound
        self._out.print(f"[bold]{escape(names)}[/]")
        self._out.print(f"seed {event.seed}, profile {event.profile}, {event.workers} workers, {bound}")

    def _progress(self, event: Progress) -> None:
        if self._live:
            text = _progress_line(event, self._last)[: self._err.width - 1]
            sys.stderr.write("\r" + text.ljust(self._line))
            sys.stderr.flush()
            self._line = len(text)
        elif time.monotonic() - self._logged_at >= LOG_EVERY:
            self._logged_at = time.monotonic()
            self._err.print(escape(_progress_line(event, self._last)))
        if event.elapsed - self._last.elapsed >= 1.0 or event.elapsed < 1.0:
            self._last = event

    def _clear(self) -> None:
        if self._line:
            sys.stderr.write("\r" + " " * self._line + "\r")
            sys.stderr.flush()
            self._line = 0

    def _finding(self, made: FindingMade) -> None:
        finding = made.finding
        if made.expected:
            title = f"known defect {finding.known}: {finding.code}, first met in program {finding.number}"
            self._out.print(f"\n[yellow]{escape(title)}[/] on {escape(finding.target)}, {finding.ops} ops")
            self._out.print(_indented(_body(made.text)), markup=False)
            return
        for line in describe(made):
            self._out.print(line, markup=False)

    # --- at the end

    def _ended(self, event: Ended) -> None:
        summary, statistics = event.summary, event.summary.statistics
        self._out.print()
        if event.interrupted:
            self._out.print("[yellow]interrupted; every finding is kept[/]")
        if not statistics.programs:
            self._out.print("[bold yellow]nothing was run[/]")
            return
        for line in _outcome_table(summary):
            self._out.print(line, markup=False)
        rate = statistics.ops / summary.seconds if summary.seconds else 0.0
        self._out.print(
            f"{statistics.programs} programs ({statistics.sketch.share:.1%} distinct), {statistics.ops} ops in "
            f"{summary.seconds:.1f} s ({rate:,.0f} ops/s)" + _restarts(statistics.restarts)
        )
        self._behaviours(summary)
        for name, count in sorted(statistics.known.items()):
            self._out.print(f"known defect {name}: met {count} times")
        if summary.failures and summary.findings:
            self._out.print(f"{summary.failures} failures, {len(summary.findings)} different")
        colour, text = (
            ("red", f"{len(summary.findings)} new findings") if summary.findings else ("green", "nothing new")
        )
        self._out.print(f"[bold {colour}]{text}[/]")

    def _behaviours(self, summary: Summary) -> None:
        met = summary.universe - len(summary.missed)
        self._out.print(f"behaviours: {met} of {summary.universe} met")
        if summary.missed:
            names = ", ".join("/".join(behaviour) for behaviour in summary.missed)
            lines = textwrap.wrap(
                "missed: " + names,
                self._out.width,
                initial_indent="  ",
                subsequent_indent="    ",
                break_on_hyphens=False,
                break_long_words=False,
            )
            for line in lines:
                self._out.print(line, markup=False)


def describe(made: FindingMade) -> list[str]:
    """A finding in lines: what, where, the program, what was allowed and observed, who agrees, what to type."""
    finding = made.finding
    where = f"{finding.other} and {finding.target}" if finding.other else _described(finding.target, finding.release)
    known = f" (known defect {finding.known})" if finding.known else ""
    lines = ["", f"{finding.signature} on {where}{known}: {finding.original_ops} ops, shrunk to {finding.ops}"]
    lines.append(_indented(_body(made.text)))
    lines += [
        f"  at:       {finding.op}",
        f"  allowed:  {cut(finding.allowed)}",
        f"  observed: {cut(finding.observed)}",
    ]
    if finding.flaky:
        lines.append(f"  flaky: failed in {finding.flaky.failures} of {finding.flaky.runs} replays alone")
    if finding.before:
        lines.append(f"  needs {len(finding.before)} programs before it in the same process")
    if finding.others:
        lines.append("  " + _others(finding))
    if not made.new:
        lines.append("  (already in the findings folder)")
    if made.path:
        path = shlex.quote(str(made.path))
        lines += [f"Reproduce with: twinheap replay {path}", f"Minimize with: twinheap shrink {path}"]
    return lines


def cut(text: str) -> str:
    """`text` at a length that a line can show."""
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _others(finding: Finding) -> str:
    groups: dict[str, list[str]] = {}
    for name, state in finding.others.items():
        groups.setdefault(state, []).append(name)
    words = {"agrees": "as specified on", "fails": "the same on", "differs": "another failure on"}
    return "; ".join(f"{words.get(state, state)} {', '.join(names)}" for state, names in sorted(groups.items()))


def _described(name: str, release: str) -> str:
    return f"{name} ({release})" if release and release not in name and not name.startswith("heap") else name


def _body(text: str) -> str:
    """A program without its first line, which only says what it is."""
    return text.split("\n", 1)[1].rstrip("\n")


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def _restarts(count: int) -> str:
    return f", {count} executor restarts" if count else ""


def _progress_line(now: Progress, last: Progress) -> str:
    seconds = max(now.elapsed - last.elapsed, 1e-9)
    rate, ops = (now.programs - last.programs) / seconds, (now.ops - last.ops) / seconds
    if now.elapsed <= last.elapsed or last.elapsed == 0:
        rate, ops = now.programs / max(now.elapsed, 1e-9), now.ops / max(now.elapsed, 1e-9)
    shrinking = f", {now.pending} being shrunk" if now.pending else ""
    return (
        f"{now.elapsed:6.1f} s  {now.programs} programs ({rate:,.0f}/s)  {ops:,.0f} ops/s  "
        f"{now.findings} findings{shrinking}  {now.known} known  {now.behaviours} behaviours"
    )


def _outcome_table(summary: Summary) -> list[str]:
    """The op x outcome table, one line per op; errors without their `err:`, so that it is about 90 columns wide."""
    outcomes = {key: count for key, count in summary.statistics.outcomes.items() if key[0] != "end"}
    columns = sorted({outcome for _, outcome in outcomes}, key=lambda outcome: (outcome not in ("ok", "skip"), outcome))
    rows = [["op", *(column.removeprefix("err:") for column in columns)]]
    for op in sorted({name for name, _ in outcomes}):
        rows.append([op, *(str(outcomes.get((op, column), "")) for column in columns)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
