"""The report of a failed check: the rule, what was allowed and observed, and the program in the shape of source code.

The program with its timeline is itself a text in the stored form, since outcomes stand in comments: it can be pasted
into a file, or into `twinheap.check(...)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twinheap.fuzz.differ import Judged
from twinheap.model.codes import CODES, Verdict
from twinheap.model.ops import END
from twinheap.model.program import Program, depths
from twinheap.model.text import dumps, format_op, kinds_of

INDENT: Final = "  "
MAX_COLUMN: Final = 48
"""Where the timeline begins at most: longer ops push only their own outcome to the right."""


def report(target: str, judged: Judged, verdict: Verdict, original: Program, path: Path | None, exhausted: bool) -> str:
    """The message of a divergence; `judged` is the shrunk program, `path` the file that holds it."""
    code = CODES[verdict.code]
    known = f" (known defect {verdict.known})" if verdict.known else ""
    size = f"{len(judged.program)} ops, shrunk from {len(original)}" + (" until time was up" if exhausted else "")
    lines = [
        f"{code.code} {code.title} on {target}{known}",
        f"{code.meaning} [{code.spec}]",
        f"  allowed:  {verdict.allowed}",
        f"  observed: {verdict.observed}",
        f"  program:  {size}",
        "",
        *timeline(judged, verdict),
    ]
    if judged.ran.stderr.strip():
        lines += ["", "last words of the executor:", f"  {judged.ran.stderr.strip().splitlines()[-1][:200]}"]
    if path is not None:
        lines += ["", f"Reproduce with: twinheap replay {path}"]
    return "\n".join(lines)


def timeline(judged: Judged, verdict: Verdict) -> list[str]:
    """The program in the stored form, each op with what it did in a comment; `<--` marks where the rule was broken."""
    rows = list(_rows(judged.program))
    column = min(max(len(text) for text in rows), MAX_COLUMN)
    seen = judged.ran.observations
    head = dumps(judged.program).splitlines()
    lines = head[: len(head) - len(judged.program)]
    for at, text in enumerate(rows):
        outcome = str(seen[at]) if at < len(seen) else "not reached"
        mark = f"  <-- {verdict.code}" if at == verdict.at else ""
        lines.append(f"{text:<{column}}  # {outcome}{mark}")
        if at == verdict.at:
            break  # the model no longer knows what is right after this
    return lines


def _rows(program: Program) -> Iterator[str]:
    """Each executed op as a line; what the stored form leaves out, as a comment."""
    kinds = kinds_of(program)
    for depth, op in depths(program.ops):
        indent = INDENT * depth
        yield f"{indent}# end of scope" if op[0] == END else indent + format_op(op, kinds)
    for op in program.tail:
        yield f"# at the end: {format_op(op, kinds)}"
