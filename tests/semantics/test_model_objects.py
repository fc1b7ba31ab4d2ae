"""Structs, arrays and exceptions of the host: for each rule of semantics.md 3.2, 1.6 and 7 what is right and what is not.

Observations are written as `outcome value,value !finalized`; those of the implicit gc, sync and store_drop come last
and are all `ok` where they are left out.
"""

# ruff: noqa: E501 -- the table of cases is read across

from __future__ import annotations

from dataclasses import dataclass

import pytest

from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.profiles import Profile
from twinheap.model.text import loads

DRC = Profile("heap", (0, 0, 0), "drc", False, frozenset())
COPYING = Profile("heap", (0, 0, 0), "copying", False, frozenset())
NULL = Profile("heap", (0, 0, 0), "null", False, frozenset())
WITH_K12 = Profile("wasmtime", (48, 0, 0), "drc", False, frozenset({"K12"}))
WITH_K9 = Profile("wasmtime", (42, 0, 0), "drc", False, frozenset({"K9"}))
WITH_K7 = Profile("wasmtime", (48, 0, 0), "drc", False, frozenset({"K7"}))

_WORDS: dict[str, int | str | bool | None] = {"none": None, "true": True, "false": False}


def observe(text: str) -> Observation:
    """`ok 0,7 !3` as an observation."""
    outcome, *rest = text.split()
    values = [v for part in rest if part[0] != "!" for v in part.split(",")]
    finalized = [int(v) for part in rest if part[0] == "!" for v in part[1:].split(",")]
    read = (_WORDS[v] if v in _WORDS else int(v) if v.lstrip("-").isdigit() else v for v in values)
    return Observation(outcome, tuple(read), tuple(finalized))


@dataclass(frozen=True)
class Case:
    """A program, its right observations, and what makes the one at `at` wrong, with which code."""

    what: str
    program: str
    good: list[str]
    at: int
    bad: str
    code: str
    profile: Profile = DRC
    known: str | None = None


_BOX = "L1 = struct_new S0 box 7 null lifo"  # of one extern
_EXT = "L1 = ext_new S0 v0"
_STALE = ["scope S0:", "  L1 = ext_new S0 v0"]

# (what, lines, right observations before the tail, index, wrong observation, code, rest)
CASES = [
    Case("3.2 a struct is a struct", f"{_BOX}\nkind L1", ["ok", "ok struct"], 1, "ok extern", "TH104"),
    Case("3.2 an array is an array", "L1 = array_new S0 bytes 2 7 lifo\nkind L1", ["ok", "ok array"], 1, "ok struct", "TH104"),
    Case("3.2 an exception is an exception", "L1 = exn_new S0 nothing lifo\nkind L1", ["ok", "ok exn"], 1, "ok struct", "TH104"),
    Case("3.2 a struct is eq", f"{_BOX}\nL2 = upcast L1 any\nL3 = cast L2 eq\neq L3 L3", ["ok", "ok", "ok nonnull", "ok true"], 2, "ok null", "TH104"),
    Case("3.2 a struct is no array", f"{_BOX}\nL2 = upcast L1 any\nL3 = cast L2 array", ["ok", "ok", "ok null"], 2, "ok nonnull", "TH104"),
    Case("3.2 up-casts share the root", f"scope S0:\n  {_BOX}\n  L2 = upcast L1 any\nkind L2", ["ok", "ok", "ok", "ok", "err:unrooted"], 4, "ok struct", "TH107"),
    Case("3.1 a struct seen as extern has no host value", f"{_BOX}\nL2 = upcast L1 any\nL3 = conv_ext L2\ndata L3", ["ok", "ok", "ok", "ok none"], 3, "ok 0,0", "TH101"),
    # fields
    Case("3.2 a field holds what was put there", f"{_EXT}\nL2 = struct_new S0 box 0 L1 lifo\nL3 = struct_get L2 0 extern lifo\ndata L3", ["ok", "ok", "ok nonnull", "ok 0,0", "ok", "ok", "ok !0"], 3, "ok 1,0", "TH101"),
    Case("3.2 a number is read as it was stored", "L1 = struct_new S0 nums 300 lifo\nstruct_get_number L1 0\nstruct_get_number L1 3", ["ok", "ok 44", "ok 1288490189100"], 2, "ok 300", "TH109"),
    Case("3.2 a number is no reference", "L1 = struct_new S0 nums 1 lifo\nL2 = struct_get L1 0 any lifo", ["ok", "ok absent"], 1, "ok null", "TH105"),
    Case("3.2 a reference of the other hierarchy", "L1 = struct_new S0 pair 1 null null lifo\nL2 = struct_get L1 0 any lifo", ["ok", "ok absent"], 1, "ok null", "TH105"),
    Case("3.2 fields end", f"{_BOX}\nL2 = struct_get L1 1 extern lifo", ["ok", "err:other"], 1, "ok null", "TH106"),
    Case("3.2 an immutable field", "L1 = struct_new S0 mixed 1 null null lifo\nstruct_set L1 3 null", ["ok", "err:immutable"], 1, "ok", "TH106"),
    Case("7 a struct: mutability before type", "L1 = struct_new S0 nums 1 lifo\nstruct_set L1 3 null", ["ok", "err:immutable"], 1, "err:type", "TH106"),
    Case("3.2 null into a number", "L1 = struct_new S0 nums 1 lifo\nstruct_set L1 0 null", ["ok", "err:type"], 1, "ok", "TH106"),
    Case("3.2 a number into a reference", f"{_BOX}\nstruct_set_number L1 0 1", ["ok", "err:type"], 1, "ok", "TH106"),
    Case("3.2 types are dynamic", "L1 = struct_new S0 empty 0 lifo\nL2 = struct_new S0 node 0 L1 null lifo", ["ok", "err:type"], 1, "ok", "TH106"),
    Case("3.2 an i31 is no struct", "L1 = i31_new S0 7\nL2 = struct_new S0 eqs 0 L1 L1 L1 null lifo", ["ok", "err:type"], 1, "ok", "TH106"),
    Case("7 a stale handle for a type that is read", "scope S0:\n  L1 = i31_new S0 7\nL2 = struct_new S0 eqs 0 null L1 null null lifo", ["ok", "ok", "ok", "err:type"], 3, "err:unrooted", "TH106"),
    Case("7 a stale handle for the top type", "scope S0:\n  L1 = i31_new S0 7\nL2 = struct_new S0 pair 0 null L1 lifo", ["ok", "ok", "ok", "err:unrooted"], 3, "ok", "TH107"),
    # arrays
    Case("3.2 an array has a length", "L1 = array_new S0 longs 5 1 lifo\narray_len L1", ["ok", "ok 5"], 1, "ok 4", "TH109"),
    Case("3.2 every element", "L1 = array_new S0 longs 5 1 lifo\narray_get_number L1 4\narray_get_number L1 5", ["ok", "ok 4294967297", "err:oob"], 2, "ok 0", "TH106"),
    Case("3.2 an immutable array", "L1 = array_new S0 consts 1 0 null lifo\narray_set L1 9 null", ["ok", "err:immutable"], 1, "err:oob", "TH106"),
    Case("7 an array: type before bounds", "L1 = i31_new S0 7\nL2 = array_new S0 externs 1 0 null lifo\narray_set L2 9 L1", ["ok", "ok", "err:type"], 2, "err:oob", "TH106"),
    Case("7 an array: bounds before roots", "\n".join([*_STALE, "L2 = array_new S0 externs 1 0 null lifo", "array_set L2 9 L1"]), ["ok", "ok", "ok !0", "ok", "err:oob"], 4, "err:unrooted", "TH106"),
    Case("3.2 nobody looks at the element of an empty array", "\n".join([*_STALE, "L2 = array_new S0 anys 0 0 L1 lifo"]), ["ok", "ok", "ok !0", "ok"], 3, "err:type", "TH106"),
    # lifetimes
    Case("4.1 a field holds", "O1 = ext_new_owned S0 v0\nO2 = struct_new S0 box 0 O1 owned\nodrop O1\ngc S0", ["ok", "ok", "ok", "ok", "ok", "ok", "ok !0"], 3, "ok !0", "TH201"),
    Case("4.2 a dead container holds nothing", "O1 = ext_new_owned S0 v0\nO2 = struct_new S0 box 0 O1 owned\nodrop O1\nodrop O2\ngc S0", ["ok", "ok", "ok", "ok", "ok !0", "ok", "ok", "ok"], 4, "ok", "TH202"),
    Case("4.2 an overwritten field holds nothing", "O1 = ext_new_owned S0 v0\nL2 = struct_new S0 box 0 O1 lifo\nodrop O1\nstruct_set L2 0 null\ngc S0", ["ok", "ok", "ok", "ok", "ok !0", "ok", "ok", "ok"], 4, "ok", "TH202"),
    Case("4.2 an element of many", "O1 = ext_new_owned S0 v0\nL2 = array_new S0 externs 3 0 O1 lifo\nodrop O1\narray_set L2 0 null\narray_set L2 1 null\ngc S0", ["ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok !0"], 5, "ok !0", "TH201"),
    Case("4.2 a cycle dies under COPYING", "O1 = ext_new_owned S0 v0\nO2 = struct_new S0 node 0 null O1 owned\nstruct_set O2 0 O2\nodrop O1\nodrop O2\ngc S0", ["ok", "ok", "ok", "ok", "ok", "ok !0", "ok", "ok", "ok"], 5, "ok", "TH202", COPYING),
    Case("4.2 nothing dies under NULL", "O1 = ext_new_owned S0 v0\nO2 = struct_new S0 box 0 O1 owned\nodrop O1\nodrop O2\ngc S0", ["ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok !0"], 4, "ok !0", "TH201", NULL),
    Case("K12 a failed initialization keeps its fields", "O1 = ext_new_owned S0 v0\nscope S0:\n  L2 = i31_new S0 1\nL3 = struct_new S0 pair 0 O1 L2 lifo\nodrop O1\ngc S0", ["ok", "ok", "ok", "ok", "err:unrooted", "ok", "ok !0", "ok", "ok", "ok"], 6, "ok", "TH202", WITH_K12, "K12"),
    # exceptions
    Case("1.6 a pending exception holds", "O1 = ext_new_owned S0 v0\nO2 = exn_new S0 one O1 owned\nthrow O2\nodrop O1\nodrop O2\ngc S0", ["ok", "ok", "exn", "ok", "ok", "ok", "ok", "ok", "ok !0"], 5, "ok !0", "TH201"),
    Case("K9 unless it is not counted", "O1 = ext_new_owned S0 v0\nO2 = exn_new S0 one O1 owned\nthrow O2\nodrop O1\nodrop O2\ngc S0", ["ok", "ok", "exn", "ok", "ok", "ok", "ok", "ok", "ok !0"], 5, "ok !0", "TH201", WITH_K9, "K9"),
    Case("1.6 a replaced one does not", "O1 = ext_new_owned S0 v0\nO2 = exn_new S0 one O1 owned\nO3 = exn_new S0 nothing owned\nthrow O2\nthrow O3\nodrop O1\nodrop O2\ngc S0", ["ok", "ok", "ok", "exn", "exn", "ok", "ok", "ok !0", "ok", "ok", "ok"], 7, "ok", "TH202"),
    Case("1.6 taken, it is pending no more", "L1 = exn_new S0 nothing lifo\nthrow L1\nexn_pending S0\nL2 = exn_take S0 lifo\nexn_pending S0", ["ok", "exn", "ok true", "ok nonnull", "ok false"], 4, "ok true", "TH105"),
    Case("1.6 nothing to take", "L1 = exn_take S0 lifo", ["ok null"], 0, "ok nonnull", "TH105"),
    Case("3.2 a thrown exception is the outcome", "L1 = exn_new S0 nothing lifo\nthrow L1", ["ok", "exn"], 1, "ok", "TH106"),
    Case("3.2 an exception's payload", "L1 = i31_new S0 5\nL2 = exn_new S0 two L1 null lifo\nL3 = exn_get L2 0 any lifo\nkind L3", ["ok", "ok", "ok nonnull", "ok i31,5"], 3, "ok i31,6", "TH104"),
    # room
    Case("1.5 what fits is not refused", "S1 = store_new 65536 plain\nL2 = array_new S1 longs 4000 0 lifo", ["ok", "ok", *["ok"] * 3], 1, "err:oom", "TH301"),
    Case("1.5 what cannot fit is refused", "S1 = store_new 65536 plain\nL2 = array_new S1 longs 9000 0 lifo", ["ok", "err:oom", *["ok"] * 3], 1, "ok", "TH303"),
    Case("K7 a first request just under a page", "L1 = array_new S0 externs 16374 0 null lifo", ["ok"], 0, "err:oom", "TH301", WITH_K7, "K7"),
    Case("K7 is no excuse for another size", "L1 = array_new S0 externs 16373 0 null lifo", ["ok"], 0, "err:oom", "TH301", WITH_K7),
    Case("8.1 a chain is as long as it fits", "S1 = store_new 65536 plain\nO2 = chain S1 3000", ["ok", "ok 2047", *["ok"] * 3], 1, "ok 2048", "TH303"),
    Case("8.1 a chain fits", "O1 = chain S0 20\nL2 = struct_get O1 0 any lifo", ["ok 20", "ok nonnull"], 0, "ok 19", "TH301"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.what for case in CASES])
def test_the_right_observation_passes_and_a_wrong_one_is_caught(case: Case) -> None:
    program = loads(f"twinheap program 1\n{_padded(case.program)}\n").program
    good = [observe(text) for text in case.good]
    good += [Observation("ok")] * (len(program.all_ops) - len(good))
    assert judge(program, good, case.profile) == []
    bad = [*good]
    bad[case.at] = observe(case.bad)
    first = judge(program, bad, case.profile)[0]
    assert (first.code, first.at, first.known) == (case.code, case.at, case.known)


_OPERANDS = {"struct_new": 4, "array_new": 1, "array_new_fixed": 3, "exn_new": 2}


def _padded(text: str) -> str:
    """The operands that a type does not use are nulls; the table leaves them out."""
    lines = []
    for line in text.splitlines():
        words = line.split()
        name = words[2] if len(words) > 2 and words[1] == "=" else ""
        if name in _OPERANDS:
            fixed = {"struct_new": 6, "array_new": 7, "array_new_fixed": 6, "exn_new": 5}[name]
            missing = _OPERANDS[name] - (len(words) - fixed - 1)
            indent = line[: len(line) - len(line.lstrip())]
            line = indent + " ".join([*words[:-1], *["null"] * missing, words[-1]])
        lines.append(line)
    return "\n".join(lines)
