"""`twinheap check-executor`: does an executor speak the wire, and does it behave?"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from twinheap.cli import EXIT_FOUND, EXIT_OK, UserError

if TYPE_CHECKING:
    from twinheap.fuzz.differ import Differ, Judged

DEFAULT_PROGRAMS = 256
"""Programs that are tried: a second or two, and most behaviours."""

SHOWN = 5
"""Failures that are shown, and enough to stop; `twinheap run -t exec,cmd=...` shrinks them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check-executor`."""
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD", help="the executor's command and arguments")
    parser.usage = "%(prog)s [-h] CMD [ARGUMENT ...]"
    parser.epilog = (
        f"It shakes hands and runs up to {DEFAULT_PROGRAMS} random programs, batched and alone. See docs/wire.md."
    )


def run(arguments: argparse.Namespace) -> int:
    """Tries the executor, and returns the exit code: 1 if it breaks the protocol or a rule of the model."""
    import shlex
    from pathlib import Path

    from twinheap.fuzz.opening import opener_for

    words = [word for word in arguments.words if word != "--"]
    if len(words) == 1 and not Path(words[0]).exists():  # one quoted word
        try:
            words = shlex.split(words[0])
        except ValueError as error:
            raise UserError(f"the command {words[0]!r} cannot be taken apart: {error}") from None
    if not words:
        raise UserError("name the executor's command: twinheap check-executor ./my-executor --option")
    differ = opener_for()("exec,cmd=" + shlex.join(words))
    try:
        return _check(differ)
    finally:
        differ.close()


def _check(differ: Differ) -> int:
    from twinheap.model.ops import OPS

    hello = differ.hello
    exact = ", exact mode" if hello.exact else ""
    print(f"handshake: {hello.runtime} {hello.release or '(no release)'}, collector {hello.collector}{exact}")
    unknown = sorted(hello.ops - {spec.name for spec in OPS})
    print(f"ops: {len(hello.ops) - len(unknown)} of {len(OPS)}" + (f"; unknown ones: {unknown}" if unknown else ""))
    judged = _try_programs(differ)
    failed = [one for one in judged if one.verdicts]
    codes = Counter(verdict.code for one in failed for verdict in one.verdicts)
    ops = sum(len(one.ran.observations) for one in judged)
    print(f"programs: {len(judged)} run, {ops} ops, {len(failed)} failed, {differ.runner.restarts} restarts")
    for one in failed[:SHOWN]:
        _show(one)
    print("fails: " + ", ".join(f"{code} x {count}" for code, count in codes.most_common()) if codes else "all is well")
    return EXIT_FOUND if codes else EXIT_OK


def _try_programs(differ: Differ) -> list[Judged]:
    from twinheap.fuzz.budget import BLOCK
    from twinheap.fuzz.generate import generate
    from twinheap.fuzz.profiles import profile_named
    from twinheap.model.view import view

    profile = profile_named("default")
    views = [view(generate(0, n, profile, differ.supported), differ.supported) for n in range(DEFAULT_PROGRAMS)]
    judged: list[Judged] = []
    size = 1
    # In batches that grow, so that a broken executor, which may hang in every program, is soon known to be.
    while len(judged) < len(views) and sum(bool(one.verdicts) for one in judged) < SHOWN:
        judged += differ.run(views[len(judged) : len(judged) + size])
        size = min(2 * size, BLOCK)
    return judged


def _show(one: Judged) -> None:
    from twinheap.model.text import format_ops
    from twinheap.reporters.terminal import cut

    verdict = one.verdicts[0]
    lines = format_ops(one.program)
    where = lines[verdict.at] if 0 <= verdict.at < len(lines) else "end"
    print(f"  {verdict.code} at {where}: allowed {cut(verdict.allowed)}; observed {cut(verdict.observed)}")
    if one.ran.stderr:
        print(f"    it wrote: {cut(one.ran.stderr.strip().splitlines()[-1])}")
