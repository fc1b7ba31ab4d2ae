"""Callbacks: the in-tree heap and the judge agree on them, and other observations are caught with the right code."""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from twinheap.fuzz.edits import brackets, without
from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.codes import Verdict
from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.ops import CALLS, CODE
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.program import Program
from twinheap.model.text import FormatError, format_ops, loads
from twinheap.model.view import ALL_OPS, view
from twinheap.targets.heap.machine import RELEASES, HeapMachine

FIXED = profile_for("wasmtime", "50.0.1", "drc", exact=False, strict=True)
KEEP = "B0: (body (main (local extern extern) (set 4 (new)) (set 5 (cb (get 0))) (see (get 4)) (see (get 5)) (get 5)))"
HEAD = f"twinheap program 1\n{KEEP}\nI1 = inst S0\nO2 = ext_new_owned S0 v0\n"
CALL = "call I1 0 v1 O2 null null 0:\n"


def program(text: str) -> Program:
    return loads(HEAD + text).program


def profile_of(collector: str) -> Profile:
    return profile_for("heap", RELEASES[collector], collector, exact=collector != "copying")


def seen(text: str, collector: str = "drc") -> dict[str, str]:
    """What the heap shows of each line (the last of those that are alike); the judge must agree."""
    made = program(text)
    observed = HeapMachine(collector).run(made)
    assert judge(made, observed, profile_of(collector)) == []
    return {line: str(obs) for line, obs in zip(format_ops(made), observed, strict=False)}


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_a_callback_gets_its_argument_collects_and_returns(collector: str) -> None:
    shown = seen(f"{CALL}  L3 = arg lifo\n  data L3\n  gc S0\n  O4 = ext_new_owned S0 v9\n  ret O4\nL5 = result lifo\ndata L5\ndata L3\n", collector)  # fmt: skip
    assert shown["call I1 0 v1 O2 null null 0:"].startswith("ok(cb, 1, 9, nonnull)")
    assert (shown["data L3"], shown["data L5"]) == ("err:unrooted", "ok(9, 0)")


def test_a_callback_returns_null_unless_told_otherwise() -> None:
    shown = seen(f"{CALL}  gc S0\nL3 = result lifo\nkind L3\n")
    assert shown["call I1 0 v1 O2 null null 0:"].startswith("ok(cb, 1, null, null)")
    assert (shown["L3 = result lifo"], shown["kind L3"]) == ("ok(null)", "skip")


def test_a_callback_may_trap_at_its_end() -> None:
    shown = seen(f"{CALL}  raise trap\n  gc S0\nL3 = result lifo\n")
    assert shown["call I1 0 v1 O2 null null 0:"].startswith("trap:host(cb)")
    assert shown["L3 = result lifo"] == "skip"


CATCHES = "(body (main (local extern) (set 4 (get 1)) (try ({}) (set 4 (cb (get 0)))) (see (get 4)) (get 4)))"
THROWS = "(body (main (throw one (new)) (null extern)))"


def thrown(catch: str, callback: str, collector: str = "drc") -> str:
    """How a call ends whose body catches so what its callback throws; B1 throws an exception that nobody catches."""
    text = "".join(f"  {line}\n" for line in callback.splitlines())
    head = f"twinheap program 1\nB0: {CATCHES.format(catch)}\nB1: {THROWS}\nI1 = inst S0\nI2 = inst S0\n"
    made = loads(f"{head}O3 = ext_new_owned S0 v0\ncall_exn I1 0 v1 O3 null null 0:\n{text}").program
    observed = HeapMachine(collector).run(made)
    assert judge(made, observed, profile_of(collector)) == []
    return str(observed[3]).split(" finalized")[0]


WASM = "O4 = run_exn I{} 1 v9 null null null 0 owned\n"


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
@pytest.mark.parametrize(
    ("catch", "callback", "ended"),
    [
        (
            "catch one 4",
            "O4 = exn_new S0 one O3 null owned\nraise_exn O4\nodrop O4\ngc S0\n",
            "exn(cb)",
        ),  # the host's own
        ("catch one 4", WASM.format(1) + "raise_exn null\n", "ok(cb, 9, nonnull)"),
        ("catch one 4", WASM.format(2) + "raise_exn null\n", "exn(cb)"),  # another instance's
        ("catch one 4", WASM.format(1) + "O5 = exn_take S0 owned\nraise_exn O5\ngc S0\n", "ok(cb, 9, nonnull)"),
        ("catch nothing", WASM.format(1) + "raise_exn null\n", "exn(cb)"),
        ("catch_all", "O4 = exn_new S0 one O3 null owned\nraise_exn O4\nodrop O4\ngc S0\n", "ok(cb, null, null)"),
        ("catch_all", WASM.format(2) + "raise_exn null\n", "ok(cb, null, null)"),
        ("catch one 4", "raise_exn null\nret O3\n", "ok(cb, 0, nonnull)"),  # nothing is pending
        (
            "catch one 4",
            "raise trap\n" + WASM.format(1) + "raise_exn null\n",
            "ok(cb, 9, nonnull)",
        ),  # the last one counts
        ("catch one 4", WASM.format(1) + "raise_exn null\nraise trap\n", "trap:host(cb)"),
    ],
)
def test_what_a_callback_throws(catch: str, callback: str, ended: str, collector: str) -> None:
    assert thrown(catch, callback, collector) == ended


def test_callbacks_nest() -> None:
    inner = ""
    text = ""
    for depth in range(5):
        pad = "  " * depth
        text += f"{pad}call I1 0 v{1 + 8 * depth} O2 null null 0:\n{pad}  gc S0\n"
        inner = f"{pad}L{20 + depth} = result lifo\n{inner}"
    shown = seen(text + inner)
    assert [line for line in shown if line.startswith("call")].__len__() == 5
    assert all("cb" in shown[line] for line in shown if line.startswith("call"))


def test_a_callback_that_is_not_called_does_nothing() -> None:
    made = replace(program(f"{CALL}  O3 = ext_new_owned S0 v9\n  gc S0\ndata O3\n"))
    never = "(body (main (local extern) (if (get 3) (do (set 4 (cb (get 0))))) (get 0)))"
    made = replace(made, config=replace(made.config, bodies=(never,)))
    observed = HeapMachine("drc").run(made)
    assert [obs.outcome for obs in observed[3:7]] == ["skip"] * 4
    assert judge(made, observed, profile_of("drc")) == []


def judged(text: str, *observed: Observation) -> list[Verdict]:
    """The verdicts on observations of what follows the head."""
    ok = Observation("ok")
    found = judge(program(text), [ok, ok, *observed], FIXED)
    return [verdict for verdict in found if verdict.allowed != "one observation per op"]


OK = Observation("ok")
RUN = Observation("ok", ("cb", 1, "null", "null"))


@pytest.mark.parametrize(
    ("code", "text", "observed"),
    [
        ("TH106", "  gc S0\n", [Observation("ok", (1, "null", "null")), OK, OK]),
        ("TH101", "  gc S0\n", [Observation("ok", ("cb", 9, "null", "null")), OK, OK]),
        ("TH105", "  gc S0\n", [Observation("ok", ("cb", 1, "null", "nonnull")), OK, OK]),
        ("TH201", "  gc S0\n", [RUN, Observation("ok", (), (1,)), OK]),  # a frame needs it
        ("TH201", "  odrop O2\n  gc S0\n", [RUN, OK, Observation("ok", (), (0,)), OK]),  # the argument
        ("TH105", "  L3 = arg lifo\n", [RUN, Observation("ok", ("null",)), OK]),
        ("TH101", "  L3 = arg lifo\n  data L3\n", [RUN, Observation("ok", ("nonnull",)), Observation("ok", (1, 0)), OK]),
        ("TH106", "  raise trap\n", [RUN, OK, OK]),
        ("TH106", "  O3 = exn_new S0 nothing null null owned\n  raise_exn O3\n", [RUN, OK, OK, OK]),
        ("TH101", "  ret O2\n", [Observation("ok", ("cb", 1, 1, "nonnull")), OK, OK]),
        ("TH106", "  ret O2\n", [Observation("trap:host", ("cb",)), OK, OK]),
        ("TH110", "  gc S0\n", [RUN, Observation("skip"), OK]),
        ("TH402", "  gc S0\n", [RUN, Observation("dead:SIGSEGV")]),
    ],
)  # fmt: skip
def test_other_observations_are_caught(code: str, text: str, observed: Sequence[Observation]) -> None:
    assert [verdict.code for verdict in judged(CALL + text, *observed)] == [code]


def test_a_verdict_names_the_op_of_the_callback() -> None:
    (verdict,) = judged(f"{CALL}  gc S0\n  sync S0\n", RUN, OK, Observation("skip"), OK)
    assert verdict.at == 4


def test_what_is_done_though_nobody_called_back_is_caught() -> None:
    made = program(f"{CALL}  gc S0\n")
    never = "(body (main (local extern) (if (get 3) (do (set 4 (cb (get 0))))) (get 0)))"
    made = replace(made, config=replace(made.config, bodies=(never,)))
    (verdict,) = judge(made, [OK, OK, Observation("ok", ("nonnull",)), OK, OK], FIXED)
    assert (verdict.code, verdict.at) == ("TH110", 3)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise trap\n", "only for callbacks"),
        ("L3 = result lifo\n", "must follow a call"),
        (f"{CALL}  store_drop S0\n", "not in a callback"),
        ("L3 = run I1 0 v1 null null null 0 lifo\n", "calls back"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(FormatError, match=why):
        program(text)


def test_targets_without_callbacks_are_not_asked_what_is_in_them() -> None:
    made = program(f"{CALL}  O3 = ext_new_owned S0 v9\n  gc S0\nL4 = result lifo\ndata L4\ndata O2\n")
    lacking = view(made, ALL_OPS - {"call", "call_exn", "arg", "ret", "raise", "result"})
    assert [line.split()[0] for line in format_ops(lacking)][2:3] == ["data"]


def test_a_call_goes_with_its_callback() -> None:
    made = program(f"{CALL}  O3 = ext_new_owned S0 v9\n  gc S0\nL4 = result lifo\n")
    assert len(without(made, frozenset({2}))) == 4  # its callback is left
    assert min(map(len, brackets(made))) == 2


@pytest.mark.parametrize("collector", ["drc", "null", "copying"])
def test_random_programs_agree(collector: str) -> None:
    machine = HeapMachine(collector)
    supported = machine.hello().supported
    profile = profile_of(collector)
    calls = deepest = 0
    for number in range(250):
        made = view(generate(77, number, PROFILES["bodies"], supported), supported)
        observed = machine.run(made)
        assert judge(made, observed, profile) == [], number
        open_: list[bool] = []
        for op in made.ops:
            if op[0] in CALLS or op[0] == CODE["scope"]:
                open_.append(op[0] in CALLS)
            elif op[0] == CODE["end"]:
                open_.pop()
            calls += op[0] in CALLS
            deepest = max(deepest, sum(open_))
    assert calls > 40
    assert deepest >= 3
