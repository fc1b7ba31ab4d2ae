"""Exact mode: the examples of semantics.md, each as a program, the finalizers that the spec gives, and the judge.

The in-tree heap runs each program, the judge must accept it, and must refuse the same finalizers one op later.
"""

from __future__ import annotations

import msgspec
import pytest

from twinheap.model.judge import judge
from twinheap.model.profiles import Profile
from twinheap.model.text import loads
from twinheap.targets.heap.machine import HeapMachine

EXACT = Profile("heap", (0, 0, 0), "drc", True, frozenset())


def _cycles(count: int, kept: int = 0) -> str:
    """`kept` owned roots, then `count` times create one and drop it."""
    lines = [f"K{n} = ext_new_owned S0 v{n}".replace("K", "O_k") for n in range(kept)]
    for n in range(count):
        lines += [f"O{n} = ext_new_owned S0 v{kept + n}", f"odrop O{n}"]
    return "\n".join(lines)


# (what, program, {op index: number of values finalized there})
def _lines(*lines: str) -> str:
    return "\n".join(lines)


_SCOPED = ("scope S0:", "  L1 = ext_new S0 v0")
MOMENTS = [
    ("2.2 scope exit drops its roots at once", _lines(*_SCOPED, "  L2 = ext_new S0 v1"), {3: 2}),
    ("2.2 a scope without roots does nothing", _lines("L1 = ext_new S0 v0", "scope S0:", "  gc S0", "data L1"), {7: 1}),
    ("2.3 batches of 8 in creations 9, 17, 25", _cycles(26), {16: 8, 32: 8, 48: 8}),
    (
        "2.3 a clone keeps its root",
        _lines("O1 = ext_new_owned S0 v0", "O2 = oclone O1", "odrop O1", "gc S0", "data O2"),
        {7: 1},
    ),
    ("2.3 an eager trim starts each collection", _lines("O1 = ext_new_owned S0 v0", "odrop O1", "gc S0"), {2: 1}),
    ("1.6 an exposed object waits for the sweep", _lines(*_SCOPED, "  W2 = to_raw L1", "gc S0"), {4: 1}),
    (
        "1.6 exposed twice, fixed: the sweep still frees it",
        _lines(*_SCOPED, "  W2 = to_raw L1", "  W3 = to_raw L1", "gc S0"),
        {5: 1},
    ),
    (
        "4.3 overwriting the last slot finalizes in that call",
        _lines(*_SCOPED, "  G2 = global_new S0 extern var L1", "global_set G2 null"),
        {4: 1},
    ),
    (
        "1.6 writing the same value is a net no-op",
        _lines(*_SCOPED, "  G2 = global_new S0 extern var L1", "scope S0:", "  L3 = global_get G2")
        + _lines("", "  global_set G2 L3", "global_set G2 null"),
        {8: 1},
    ),
    (
        "1.6 a value in three slots dies with the last",
        _lines(*_SCOPED, "  T2 = table_new S0 extern 3 none L1", "table_fill T2 0 null 2", "table_set T2 2 null"),
        {5: 1},
    ),
    (
        "6.2 an overlapping copy keeps what it copies",
        _lines(*_SCOPED, "  T2 = table_new S0 extern 4 none null", "  table_set T2 0 L1", "  table_copy T2 1 T2 0 3")
        + _lines("", "table_set T2 0 null", "table_set T2 1 null"),
        {7: 1},
    ),
    (
        "3.3 an owned parameter nets one owned root",
        _lines("O1 = ext_new_owned S0 v0", "O2 = typed_call_owned S0 nullable O1", "odrop O1", "odrop O2", "gc S0"),
        {4: 1},
    ),
    (
        "3.5 gc(oom) trims",
        _lines("S1 = store_new 0 plain", "L2, X3 = ext_new S1 v0", "O4 = ext_new_owned S0 v1", "odrop O4")
        + _lines("", "gc_for S0 X3", "oom_drop X3"),
        {4: 1, 5: 1},
    ),
    ("4.4 a failed allocation finalizes its value", _lines("S1 = store_new 0 plain", "L2 = ext_new S1 v0"), {1: 1}),
    ("3.6 store drop finalizes what is left", _lines("O1 = ext_new_owned S0 v0", "O2 = ext_new_owned S0 v1"), {4: 2}),
]


@pytest.mark.parametrize(("what", "text", "expected"), MOMENTS, ids=[m[0] for m in MOMENTS])
def test_the_moment_of_each_finalizer(what: str, text: str, expected: dict[int, int]) -> None:
    program = loads(f"twinheap program 1\n{text}\n").program
    observations = HeapMachine("drc", verify=True).run(program)
    assert judge(program, observations, EXACT) == []
    got = {at: len(obs.finalized) for at, obs in enumerate(observations) if obs.finalized}
    assert {at: count for at, count in got.items() if at in expected or at < len(program.ops)} == expected
    late = list(observations)
    at = min(expected)
    if at + 1 < len(late):
        values = late[at].finalized
        late[at] = msgspec.structs.replace(late[at], finalized=())
        late[at + 1] = msgspec.structs.replace(late[at + 1], finalized=(*values, *late[at + 1].finalized))
        assert judge(program, late, EXACT), "the same finalizers one op later"


@pytest.mark.parametrize(
    ("kept", "batches"),
    [(0, {9: 8, 17: 8, 25: 8}), (5, {4: 3, 9: 5, 14: 5, 19: 5}), (20, {13: 12, 33: 20, 53: 20})],
)
def test_trim_batches(kept: int, batches: dict[int, int]) -> None:
    program = loads(f"twinheap program 1\n{_cycles(54 if kept == 20 else 26, kept)}\n").program
    observations = HeapMachine("drc").run(program)
    assert judge(program, observations, EXACT) == []
    wanted = {kept + 2 * (nth - 1): size for nth, size in batches.items()}
    got = {at: len(obs.finalized) for at, obs in enumerate(observations[: len(program.ops)]) if obs.finalized}
    assert {at: got[at] for at in wanted} == wanted


CAPACITIES = [
    ("drc", 65536, 2047), ("drc", 131072, 4095), ("drc", 196608, 4095), ("drc", 262144, 8191),
    ("null", 65536, 4095), ("null", 131072, 8191), ("copying", 65536, 1023), ("copying", 131072, 2047),
]  # fmt: skip


@pytest.mark.parametrize(("collector", "limit", "count"), CAPACITIES)
def test_capacity(collector: str, limit: int, count: int) -> None:
    program = loads(f"twinheap program 1\nS0: limit={limit}\nF1 = fill S0 9000 v0\n").program
    observations = HeapMachine(collector).run(program)
    profile = _profile(collector)
    assert observations[0].values == (count,)
    assert judge(program, observations, profile) == []
    less = msgspec.structs.replace(observations[0], values=(count - 1,), finalized=(count - 1,))
    assert judge(program, [less], profile)[0].code == "TH301"


def _profile(collector: str) -> Profile:
    """The heap's profile with `collector`."""
    return Profile("heap", (0, 0, 0), collector, collector != "copying", frozenset())
