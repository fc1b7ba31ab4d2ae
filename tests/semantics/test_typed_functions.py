"""Typed functions, comparisons of roots and references, limiters: for each rule what is right and what is not.

semantics.md 1.5, 2.1 to 2.3, 3.3, 3.6. Right observations are those of the in-tree heap; of a wrong one the first
verdict is known.
"""

# ruff: noqa: E501 -- the table of cases is read across

from __future__ import annotations

from dataclasses import dataclass

import pytest

from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.text import loads
from twinheap.targets.heap.machine import HeapMachine


@dataclass(frozen=True)
class Case:
    """A program, the place of an op, its right outcome and values as text, and a wrong one with its code."""

    what: str
    program: str
    at: int
    right: str
    wrong: Observation
    code: str


_BOX = "L1 = struct_new S0 box 7 null null null null lifo"
_STALE = "scope S0:\n  L1 = struct_new S0 box 7 null null null null lifo"
_OTHER = "S1 = store_new none plain\nL2 = ext_new S1 v0"
_NO = Observation("ok", ("null",))
_YES = Observation("ok", ("nonnull",))
_DONE = Observation("ok")
_TRUE, _FALSE = Observation("ok", (True,)), Observation("ok", (False,))

CASES = [
    Case("3.3 a struct is any", f"{_BOX}\nL2 = typed_pass S0 call any nonnull L1", 1, "ok(nonnull)", _NO, "TH105"),
    Case("3.3 null comes back as null", "L1 = typed_pass S0 wrap array nullable null", 0, "ok(null)", _YES, "TH105"),
    Case("3.3 an object type is looked at", f"{_BOX}\nL2 = typed_pass S0 call sub nonnull L1", 1, "err:type", _YES, "TH106"),
    Case("3.3 a subtype will do", "L1 = struct_new S0 sub 7 null null null null lifo\nL2 = typed_pass S0 call box nonnull L1", 1, "ok(nonnull)", Observation("err:type"), "TH106"),
    Case("3.3 an i31 is no struct", "L1 = i31_new S0 1\nL2 = typed_pass S0 call box nonnull L1", 1, "err:type", _YES, "TH106"),
    Case("3.3 the host's result may be of another type", f"{_BOX}\nL2 = typed_pass S0 give sub nonnull L1", 1, "trap:cast", _YES, "TH106"),
    Case("3.3 stale arguments", f"{_STALE}\nL2 = typed_pass S0 call box nonnull L1", 3, "err:unrooted", _YES, "TH107"),
    Case("3.3 stale results of host functions", f"{_STALE}\nL2 = typed_pass S0 give struct nullable L1", 3, "err:unrooted", _YES, "TH107"),
    Case("2.1 a foreign argument", f"{_OTHER}\nL3 = typed_pass S0 call extern nonnull L2", 2, "err:type", _YES, "TH106"),
    Case("2.1 a foreign result of a host function", f"{_OTHER}\nL3 = typed_pass S0 give extern nonnull L2", 2, "err:type", _YES, "TH106"),
    Case("3.3 an i31 by its payload", "typed_i31 S0 wrap nonnull 2147483647", 0, "ok(i31, 2147483647)", Observation("ok", ("i31", -1)), "TH104"),
    Case("3.3 an i31 that is null", "typed_i31 S0 give nullable none", 0, "ok(null)", Observation("ok", ("i31", 0)), "TH104"),
    # comparisons
    Case("2.2 one object under two types", f"{_BOX}\nL2 = upcast L1 any\nref_eq L1 L2", 2, "ok(True)", _FALSE, "TH103"),
    Case("2.2 equal references have equal hashes", f"{_BOX}\nO2 = own L1\nref_hash L1 O2", 2, "ok(True)", _FALSE, "TH103"),
    Case("2.2 references of stale handles", f"{_STALE}\nL2 = i31_new S0 0\nref_eq L2 L1", 4, "err:unrooted", _FALSE, "TH107"),
    Case("2.2 i31s have the hash of their payload", "L1 = i31_new S0 5\nL2 = i31_new S0 5\nref_hash L1 L2", 2, "ok(True)", _FALSE, "TH103"),
    Case("2.2 an up-cast is the same root", f"{_BOX}\nL2 = upcast L1 eq\nrooted_eq L1 L2", 2, "ok(True)", _FALSE, "TH103"),
    Case("2.2 two roots of one object", f"{_BOX}\nO2 = own L1\nL3 = lend O2\nrooted_eq L1 L3", 3, "ok(False)", _TRUE, "TH103"),
    Case("2.2 a root in the place of a stale one", f"{_STALE}\nL2 = i31_new S0 0\nrooted_eq L1 L2", 4, "ok(False)", _TRUE, "TH103"),
    Case("2.2 a stale root is itself", f"{_STALE}\nL2 = upcast L1 any\nrooted_hash L1 L2", 4, "ok(True)", _FALSE, "TH103"),
    Case("2.3 clones name one root", "O1 = ext_new_owned S0 v0\nO2 = oclone O1\nrooted_hash O1 O2", 2, "ok(True)", _FALSE, "TH103"),
    Case("2.3 also after the store", "S1 = store_new none plain\nO2 = ext_new_owned S1 v0\nO3 = oclone O2\nstore_drop S1\nrooted_hash O2 O3", 4, "ok(True)", _FALSE, "TH103"),
    # limiters
    Case("1.5 B no heap, no object", "set_limiter S0 no\nL1 = ext_new S0 v0", 1, "err:other finalized v0", Observation("err:oom", (), (0,)), "TH301"),
    Case("1.5 B an error instead of no", "set_limiter S0 error\nL1 = struct_new S0 empty 0 null null null null lifo", 1, "err:other", _DONE, "TH106"),
    Case("3.2 a struct's fields come before the heap", "L1 = i31_new S0 1\nset_limiter S0 no\nL2 = struct_new S0 box 0 L1 null null null lifo", 2, "err:type", Observation("err:other"), "TH106"),
    Case("3.2 an array's elements come after it", "L1 = i31_new S0 1\nset_limiter S0 no\nL2 = array_new S0 externs 1 0 L1 lifo", 2, "err:other", Observation("err:type"), "TH106"),
    Case("1.5 B allowed at last", "set_limiter S0 no\nL1 = ext_new S0 v0\nset_limiter S0 limit\nL2 = ext_new S0 v1", 3, "ok", Observation("err:other", (), (1,)), "TH106"),
    Case("1.5 D an error of the limiter is swallowed", "set_limiter S0 limit\nO1 = ext_new_owned S0 v0\nset_limiter S0 error\nO2 = ext_new_owned S0 v1", 3, "ok", Observation("err:other", (), (1,)), "TH106"),
    Case("1.5 an async limiter that says no", "S1 = store_new none async\nset_limiter S1 error\nP2, L3 = new_async S1 v0\npoll P2 0", 3, "err:other finalized v0", Observation("err:oom", (), (0,)), "TH301"),
    Case("6.2 no table", "set_limiter S0 no\nT1 = table_new S0 extern 0 none null", 1, "err:other", _DONE, "TH106"),
    Case("6.2 no growth", "T1 = table_new S0 extern 1 none null\nset_limiter S0 no\ntable_grow T1 1 null", 2, "err:grow", Observation("ok", (1,)), "TH106"),
    Case("6.2 an error instead of no growth", "T1 = table_new S0 extern 1 none null\nset_limiter S0 error\ntable_grow T1 1 null", 2, "err:other", Observation("err:grow"), "TH106"),
    Case("6.2 growth by nothing asks nobody", "T1 = table_new S0 extern 1 none null\nset_limiter S0 error\ntable_grow T1 0 null", 2, "ok(1)", Observation("err:other"), "TH106"),
    # handles dropped meanwhile
    Case("2.3 what another thread dropped is gone at the next collection", "F1 = fill S0 9 v0\nF2 = fill_race S0 1 v9 F1\ngc S0", 2, "", _DONE, "TH202"),
    Case("2.3 what came meanwhile stays", "F1 = fill S0 9 v0\nF2 = fill_race S0 1 v9 F1\ngc S0", 2, "", Observation("ok", (), tuple(range(10))), "TH201"),
    Case("3.6 every value ends once with its store", "S1 = store_new none plain\nF2 = fill S1 3 v0\nstore_drop_race S1 F2", 2, "ok finalized v0 v1 v2", Observation("ok", (), (0, 1)), "TH204"),
]  # fmt: skip


def _observed(case: Case) -> tuple[list[Observation], Profile]:
    machine = HeapMachine("drc", verify=True)
    hello = machine.hello()
    program = loads(f"twinheap program 1\n{case.program}\n").program
    return list(machine.run(program)), profile_for(hello.runtime, hello.release, hello.collector, exact=False)


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_the_right_observation_passes_and_a_wrong_one_is_caught(case: Case) -> None:
    program = loads(f"twinheap program 1\n{case.program}\n").program
    good, profile = _observed(case)
    assert judge(program, good, profile) == []
    assert not case.right or str(good[case.at]) == case.right
    bad = [*good]
    bad[case.at] = case.wrong
    if case.code == "TH201":  # what a race has dropped already cannot go twice
        seen = {value for one in good[: case.at] for value in one.finalized}
        bad[case.at] = Observation("ok", (), tuple(set(case.wrong.finalized) - seen))
    first = judge(program, bad, profile)[0]
    assert (first.code, first.at) == (case.code, case.at)


MOMENTS = [
    ("3.3 a parameter of a host function is rooted there only", "scope S0:\n  L1 = ext_new S0 v0\n  L2 = typed_pass S0 wrap extern nonnull L1\ngc S0", {4: 1}),
    ("3.3 a host function's result is exposed", "scope S0:\n  L1 = ext_new S0 v0\n  L2 = typed_pass S0 give extern nonnull L1\ngc S0", {4: 1}),
    ("3.3 owned ones are trimmed", "O1 = ext_new_owned S0 v0\nO2 = typed_pass_owned S0 wrap extern nonnull O1\nodrop O1\nodrop O2\ngc S0", {4: 1}),
    ("1.5 no growth: what is free is collected for room", "O1 = ext_new_owned S0 v0\nF2 = fill S0 2046 v1\nset_limiter S0 error\nodrop O1\nO3 = ext_new_owned S0 v2047", {4: 1}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "text", "expected"), MOMENTS, ids=[case[0] for case in MOMENTS])
def test_the_moment_of_each_finalizer(what: str, text: str, expected: dict[int, int]) -> None:
    program = loads(f"twinheap program 1\n{text}\n").program
    machine = HeapMachine("drc", verify="fill" not in text)  # of thousands of objects that takes minutes
    hello = machine.hello()
    observations = machine.run(program)
    assert judge(program, observations, profile_for(hello.runtime, hello.release, hello.collector, exact=True)) == []
    assert {at: len(seen.finalized) for at, seen in enumerate(observations[: len(program.ops)]) if seen.finalized} == (
        expected
    )
