"""Observations: what an executor reports of each op, in canonical form (docs/spec/program-ir.md 8).

On the wire an observation is an array whose trailing fields may be left out: `[outcome, values, finalized, limiter,
needed]`. Everything here is validated on arrival, since executors crash and lie.
"""

from __future__ import annotations

from typing import Final

import msgspec

OK: Final = "ok"
SKIP: Final = "skip"
UNROOTED: Final = "err:unrooted"
OOM: Final = "err:oom"
TYPE: Final = "err:type"
OOB: Final = "err:oob"
IMMUTABLE: Final = "err:immutable"
GROW: Final = "err:grow"
OTHER: Final = "err:other"
EXN: Final = "exn"
HANG: Final = "hang"
PANIC: Final = "panic:"  # followed by the panic text as the spec quotes it
DEAD: Final = "dead:"  # followed by the signal's name or the exit code
TRAP: Final = "trap:"  # followed by the trap code

STOPPED: Final = frozenset({TRAP + "fuel", TRAP + "interrupt"})
"""How a run ends that a limit stopped (docs/bodies.md)."""

PASSED: Final = "p:"
"""What the last value of such an observation begins with; the number of check points that were passed follows."""

PLAIN_OUTCOMES: Final = frozenset({OK, SKIP, UNROOTED, OOM, TYPE, OOB, IMMUTABLE, GROW, OTHER, EXN, HANG})

PENDING: Final = "pending"
NONNULL: Final = "nonnull"
IS_NULL: Final = "null"
ABSENT: Final = "absent"

MAX_TEXT: Final = 400  # characters of a panic text that are kept; the quoted ones are under 100

Value = int | str | bool | None


class Observation(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one op did.

    `outcome`: a canonical outcome. `values`: its values, for `ok`: value ids, numbers, booleans, None, kinds,
    `pending`, `nonnull`, `null`, `absent`. `finalized`: host value ids finalized during the op, in any order.
    Exact mode only: `limiter`: pairs (current, desired) in bytes, one per limiter call, and `needed`: the bytes that
    an out-of-memory error names (0 otherwise).
    """

    outcome: str
    values: tuple[Value, ...] = ()
    finalized: tuple[int, ...] = ()
    limiter: tuple[tuple[int, int], ...] = ()
    needed: int = 0

    def __str__(self) -> str:
        text = self.outcome
        if self.values:
            text += "(" + ", ".join("none" if v is None else str(v) for v in self.values) + ")"
        if self.finalized:
            text += " finalized " + " ".join(f"v{v}" for v in sorted(self.finalized))
        return text


def is_outcome(text: str) -> bool:
    """Whether `text` is a canonical outcome.

    >>> is_outcome("ok"), is_outcome("panic:boom"), is_outcome("fine")
    (True, True, False)
    """
    return text in PLAIN_OUTCOMES or (text.startswith((PANIC, DEAD, TRAP)) and len(text) <= MAX_TEXT)


WRONG_STORE: Final = "object used with wrong store"
"""The text of the one panic that is by design (docs/spec/semantics.md 2.1)."""

# Panic texts quoted in semantics.md 2 and 3; the first that occurs in a panic message is its canonical form.
PANIC_TEXTS: Final = (
    WRONG_STORE,
    "attempted to access the store's GC heap before it has been allocated",
    "assertion failed: self.comes_from_same_store(store)",
    "field value comes from the wrong store",
    "attempted to use a value with the wrong store",
    "attempted to use an array with the wrong store",
    "called `Option::unwrap()` on a `None` value",
    "should be an externref or anyref",
    "invalid `VMGcKind`",
    "Cannot GC inside a no-GC scope!",
    "AnyRef::unwrap_i31 on non-i31",
    "structrefs should have concrete types",
    "arrayrefs should have concrete types",
    "tag comes from the wrong store",
)


def canonical_panic(message: str) -> str:
    """The canonical outcome for a panic message: the first quoted text in it, else its first line (semantics 7).

    >>> canonical_panic("thread main panicked at x.rs:1: object used with wrong store")
    'panic:object used with wrong store'
    """
    for text in PANIC_TEXTS:
        if text in message:
            return PANIC + text
    lines = message.strip().splitlines()
    return PANIC + (lines[0][: MAX_TEXT - len(PANIC)] if lines else "no message")
