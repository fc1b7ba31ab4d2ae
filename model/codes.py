"""Verdict codes: one stable code per rule of the judge. `docs/codes.md` is generated from this table.

Codes are never reused or renumbered: findings, bug reports and CI settings name them.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Code(msgspec.Struct, frozen=True):
    """A rule: its code, a title of a few words, what it means, and the spec section that it holds targets to."""

    code: str
    title: str
    meaning: str
    spec: str


_ROWS: Final = (
    # TH1xx identity and values
    ("TH101", "wrong identity", "A handle gave the host value of another object.", "semantics 3.1"),
    ("TH102", "wrong payload", "A host value does not hold what was last written through an alias.", "semantics 3.1"),
    ("TH103", "wrong equality", "ref_eq answered wrongly.", "semantics 2.2"),
    ("TH104", "wrong kind", "A reference reports another kind or i31 payload.", "semantics 1.2, 3.2"),
    ("TH105", "null or not", "Null or absent where a reference is expected, or the reverse.", "semantics 3.1"),
    ("TH106", "wrong outcome", "Success or an error of a class that the rule does not allow.", "program-ir 8"),
    ("TH107", "stale handle accepted", "A handle whose scope is over was not refused.", "semantics 2.2"),
    ("TH108", "valid handle refused", "A rooted handle was refused as unrooted.", "semantics 2.2"),
    ("TH109", "wrong number", "A size, count or previous size is wrong.", "wasm-ops 6.2"),
    ("TH110", "wrong skip", "An op was skipped that could run, or ran without its operand.", "program-ir 8"),
    # TH2xx lifetime
    ("TH201", "finalized while live", "A value was finalized while held, or used after it.", "semantics 4.2, 4.4"),
    ("TH202", "leaked", "A value that was due was not finalized by the end of a full collection.", "semantics 4.2"),
    ("TH203", "finalized twice", "A value was finalized more than once.", "semantics 4.4"),
    ("TH204", "not finalized at store drop", "A value outlived its store.", "semantics 3.6"),
    ("TH205", "other moment", "Exact mode: a value was finalized in another op than predicted.", "semantics 4.3"),
    ("TH206", "unknown value finalized", "A finalizer ran for a value that was never in that store.", "semantics 4.4"),
    ("TH207", "rejected value", "The value of a failed allocation was not finalized in time.", "semantics 4.4"),
    # TH3xx memory
    (
        "TH301",
        "refused although it fits",
        "Out of memory although the object fits after a collection.",
        "semantics 1.5",
    ),
    ("TH302", "value lost or swapped", "A retry or an error gave back another host value.", "semantics 1.5, 3.5"),
    ("TH303", "limit exceeded", "An allocation succeeded beyond the store's limit.", "semantics 1.5"),
    ("TH304", "other limiter calls", "Exact mode: the limiter was asked other questions.", "semantics 1.5"),
    ("TH305", "other bytes needed", "Exact mode: an out-of-memory error names another size.", "semantics 1.5"),
    # TH4xx process
    ("TH401", "panic", "The runtime panicked where the specification has no panic.", "semantics 2, 3"),
    ("TH402", "death", "The executor's process ended by a signal or exit code.", "program-ir 8"),
    ("TH403", "hang", "An op did not end within the time limit.", "program-ir 8"),
    ("TH404", "protocol error", "The executor sent something that is no valid answer.", "docs/wire.md"),
    ("TH405", "memory growth", "The executor's resident memory passed its limit.", "design: targets"),
    ("TH406", "wrong store accepted", "A handle of another store was not refused.", "semantics 2.1"),
    # TH5xx resources
    ("TH501", "growth", "The process grew while handles were made and dropped over and over.", "semantics 2.3"),
    ("TH502", "pool", "A pool gave fewer heaps than it has, or none again after a store had ended.", "semantics 1.5"),
    # TH6xx targets disagree
    ("TH601", "targets disagree: outcome", "Two targets gave different canonical outcomes.", "program-ir 8.3"),
    (
        "TH602",
        "targets disagree: finalizers",
        "Two targets differ in what is finalized by a sync point.",
        "program-ir 8.3",
    ),
)

CODES: Final[dict[str, Code]] = {row[0]: Code(*row) for row in _ROWS}
"""Every code, in order."""


class Verdict(msgspec.Struct, frozen=True):
    """One rule broken.

    `code`: see `CODES`. `at`: index into the judged program's `all_ops`. `allowed` and `observed`: in words.
    `known`: the known defect that explains it ("K1"), else None.
    """

    code: str
    at: int
    allowed: str
    observed: str
    known: str | None = None


def markdown() -> str:
    """`docs/codes.md`, from the table."""
    lines = [
        "# Verdict codes",
        "",
        "Generated from `model/codes.py`; `twinheap explain CODE` prints one. Sections are those of `docs/spec/`.",
        "",
        "| code | title | meaning | spec |",
        "|---|---|---|---|",
    ]
    lines += [f"| {c.code} | {c.title} | {c.meaning} | {c.spec} |" for c in CODES.values()]
    return "\n".join(lines) + "\n"
