"""Parts of programs that are run again: what they leave open is ended, and callbacks go back into no run."""

from __future__ import annotations

import pytest

from twinheap.model.text import format_op, loads
from twinheap.targets.recovery import _cut_short

NESTED = """twinheap program 1
B0: (body (main (cb (get 0))))
I1 = inst S0
call I1 0 v0 null null null 0:
  scope S0:
    call I1 0 v8 null null null 0:
      gc S0
    L2 = result lifo
  gc S0
"""
SUPPORTED = frozenset({"raise", "end"})


@pytest.mark.parametrize(
    ("op", "ending"),
    [
        (1, []),
        (2, ["raise trap", "end"]),
        (4, ["raise trap", "end", "end", "raise trap", "end"]),
        (6, ["end", "raise trap", "end"]),
        (10, []),
    ],
)
def test_what_a_part_leaves_open_is_ended(op: int, ending: list[str]) -> None:
    ops = loads(NESTED).program.ops
    assert [format_op(each) for each in _cut_short(ops[:op], SUPPORTED)] == ending


def test_an_executor_without_traps_of_callbacks_is_asked_for_none() -> None:
    assert _cut_short(loads(NESTED).program.ops[:4], frozenset()) == ()
