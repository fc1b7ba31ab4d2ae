"""Exact mode with Wasm: growth, limits and out of memory, instances, callbacks, exceptions; and where it ends.

Each program runs on the in-tree heap and, where there is one, on 42.0.2; the judge must agree with both.
"""

# ruff: noqa: E501 -- bodies are read across

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from twinheap.model import judge as judging
from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.program import Program
from twinheap.model.state import Store
from twinheap.model.text import loads
from twinheap.model.world import World
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.registry import parse

PAGE = 65536


def program(text: str, *bodies: str, limit: str = "none") -> Program:
    lines = [f"B{at}: (body {body})" for at, body in enumerate(bodies)]
    return loads("\n".join(["twinheap program 1", f"S0: limit={limit} limiter=plain", *lines, text])).program


def exact(collector: str = "drc") -> Profile:
    return profile_for("heap", "42.0.2", collector, exact=True)


def seen(made: Program, collector: str = "drc") -> list[Observation]:
    """What the heap shows; the judge must agree."""
    observed = list(HeapMachine(collector).run(made))
    assert judge(made, observed, exact(collector)) == []
    return observed


def stores(made: Program, observed: Sequence[Observation], monkeypatch: pytest.MonkeyPatch) -> list[Store]:
    """The model's stores at the end."""
    worlds: list[World] = []

    class Kept(World):
        def __init__(self, program: Program, profile: Profile) -> None:
            super().__init__(program, profile)
            worlds.append(self)

    monkeypatch.setattr(judging, "World", Kept)
    assert judge(made, observed, exact()) == []
    return worlds[0].stores


RUN = "L9 = run I1 0 v0 null null null 0 lifo"


def test_an_instance_asks_for_a_heap_once() -> None:
    observed = seen(program("I1 = inst S0\nI2 = inst S0\nI3 = link I2 all"))
    assert [obs.limiter for obs in observed[:3]] == [((0, 0),), (), ()]
    missing = [replace(observed[0], limiter=()), *observed[1:]]
    assert judge(program("I1 = inst S0\nI2 = inst S0\nI3 = link I2 all"), missing, exact())[0].code == "TH304"


GARBAGE = "(main (repeat 50 (drop (new)) (repeat 50 (drop (struct.new_default box)))) (note (i32 1)) (null extern))"
"""2500 structs of 32 bytes, and eight externrefs."""


def test_wasm_grows_before_it_collects() -> None:
    made = program(f"I1 = inst S0\n{RUN}", GARBAGE)
    observed = seen(made)
    assert observed[1].limiter == ((0, PAGE), (PAGE, 2 * PAGE))
    assert observed[1].finalized == ()


NONE = """(main
    (drop (struct.new_default eqs))
    (drop (array.new anys (struct.new_default pair) (i32 0)))
    (drop (new))
    (null extern))"""
NEARLY = "L2 = array_new S0 longs 8161 0 null lifo\nL3 = array_new S0 longs 9 0 null lifo"


def test_an_array_of_no_elements_needs_its_operand_meanwhile() -> None:
    """There is room for the two structs: the first gives its place to the array, and the second only to the externref."""
    made = program(f"I1 = inst S0\n{NEARLY}\n{RUN}", " ".join(NONE.split()), limit=str(PAGE))
    observed = seen(made)
    assert observed[3].limiter == ((PAGE, 2 * PAGE),) * 2
    observed[3] = replace(observed[3], limiter=observed[3].limiter[:1])
    assert [verdict.code for verdict in judge(made, observed, exact())] == ["TH304"]


GONE = """I1 = inst S0
O2 = i31_new_owned S0 0
L3 = cast O2 eq
odrop O2
L4 = run I1 0 v0 null null L3 0 lifo"""


@pytest.mark.parametrize("collector", ["drc", "null"])
def test_a_trim_while_a_body_is_instantiated_ends_the_root_of_an_argument(collector: str) -> None:
    """The table makes the first object, so that the heap grows, which trims; only then the call takes its arguments."""
    made = program(GONE, "(table ref.node 0 0 (struct.new_default node)) (main (gc) (null extern))")
    observed = seen(made, collector)
    assert observed[4].outcome == "err:unrooted"
    plain = program(GONE, "(main (gc) (null extern))")
    assert seen(plain, collector)[4].outcome == "ok"
    swapped = [*observed[:4], replace(observed[4], outcome="ok", values=("null",)), *observed[5:]]
    assert [verdict.code for verdict in judge(made, swapped, exact(collector))] == ["TH107"]


def test_wasm_collects_when_growth_is_refused() -> None:
    made = program(f"I1 = inst S0\n{RUN}", GARBAGE, limit=str(PAGE))
    observed = seen(made)
    assert observed[1].limiter == ((0, PAGE), (PAGE, 2 * PAGE))
    assert observed[1].values[0] == "f:0"
    later = replace(observed[1], values=("n:1", *observed[1].values[:-2], "null"))
    assert judge(made, [observed[0], later], exact())[0].code in ("TH205", "TH404")


HOARD = (
    "(main (local node) (repeat 50 (repeat 50 (set 4 (struct.new node (get 4) (get 0))))) (note (i32 1)) (null extern))"
)


def test_out_of_memory_comes_where_there_is_no_room() -> None:
    made = program(f"I1 = inst S0\n{RUN}\ngc S0", HOARD, limit=str(PAGE))
    observed = seen(made)
    assert (observed[1].outcome, observed[1].needed) == ("err:oom", 32)
    fits = replace(observed[1], outcome="ok", values=("n:1", "null"), needed=0)
    assert judge(made, [observed[0], fits], exact())[0].code == "TH303"
    other = replace(observed[1], needed=64)
    assert judge(made, [observed[0], other], exact())[0].code == "TH305"


def test_under_null_wasm_asks_for_what_is_missing() -> None:
    made = program(f"I1 = inst S0\n{RUN}\nL8 = run I1 1 v8 null null null 0 lifo", HOARD, "(main (note (array.len (array.new_data bytes (i32 0) (i32 60)))) (new))", limit=str(PAGE))  # fmt: skip
    observed = seen(made, "null")
    assert observed[1].outcome == "ok"
    tight = program(f"I1 = inst S0\n{RUN}", HOARD.replace("(repeat 50 (repeat", "(repeat 50 (repeat 2 (repeat").replace("(get 0)))))", "(get 0))))))"), limit=str(PAGE))  # fmt: skip
    assert seen(tight, "null")[1].outcome == "trap:too_large"


def test_what_constant_expressions_make_is_not_listed() -> None:
    """Their roots end with the instantiation; the object in the way of a table of none is gone then (2.2)."""
    box = "(struct.new_default box)"
    tables = "".join(f"(table any 0 1 (array.new_default longs (i32 {size})))" for size in (100, 90))
    body = f"{tables} (global any {box}) (active 1 0 any {box} (i31 (i32 3))) (main (note (test box (table.get 1 (i32 0)))) (global.get 0))"
    made = program(f"I1 = inst S0\n{RUN}\nF2 = fill S0 2047 v8", body, limit=str(PAGE))
    observed = seen(made)
    assert observed[1].values == ("n:1", "null")
    assert observed[2].values == (2045,)


# --- callbacks


CALLING = "(main (local extern extern) (set 4 (new)) (set 5 (cb (new))) (note (i32 1)) (gc) (see (get 5)) (get 4))"


INSIDE = "I1 = inst S0\ncall I1 0 v0 null null null 0:\n  gc S0\nL3 = result lifo\ngc S0"
ROOTED = INSIDE.replace("  gc S0\n", "  gc S0\n  L2 = arg lifo\n")
DROPPED = "I1 = inst S0\nO2 = ext_new_owned S0 v0\ncall I1 0 v1 O2 null null 0:\n  odrop O2\n  gc S0\ngc S0"
ANSWER = "(main (set 0 (cb (new))) (note (i32 1)) (get 0))"


def test_an_argument_dies_where_the_host_function_ends() -> None:
    """A collection inside takes it from the list, since its frame does not need it; its root stays to the end."""
    made = program(INSIDE, CALLING)
    observed = seen(made)
    assert observed[1].values == ("cb", "f:1", "n:1", "null", "nonnull")
    assert observed[1].finalized == (1,)
    inside = [*observed]
    inside[2] = replace(observed[2], finalized=(1,))
    inside[1] = replace(observed[1], values=("cb", "n:1", "null", "nonnull"), finalized=())
    assert judge(made, inside, exact())


def test_a_root_that_the_host_made_of_an_owned_one_waits_for_a_trim() -> None:
    """`arg` owns its argument for a moment, and that root is released by the collection of the body (2.3)."""
    assert seen(program(ROOTED, CALLING))[1].values == ("cb", "n:1", "f:1", "null", "nonnull")


def test_a_call_holds_its_arguments_to_its_end() -> None:
    observed = seen(program(DROPPED, ANSWER))
    assert [(at, {*obs.finalized}) for at, obs in enumerate(observed) if obs.finalized] == [(2, {0, 1})]
    assert observed[2].values == ("cb", "f:1", "n:1", "null")


# --- exceptions (the heap's are counted; 42.0.2 loses some: K2)


def test_a_caught_payload_goes_at_the_next_collection() -> None:
    body = (
        "(main (local extern) (try (catch one 4) (throw one (new))) (note (i32 0)) (gc) (note (i32 1)) (null extern))"
    )
    observed = seen(program("I1 = inst S0\nL2 = run_exn I1 0 v0 null null null 0 lifo", body))
    assert observed[1].values == ("n:0", "f:0", "n:1", "null")


def test_what_a_handler_reads_stays_in_the_calls_before_it() -> None:
    body = "(main (local extern) (set 4 (new)) (try (catch_all) (gc) (note (i32 0)) (throw nothing)) (see (get 4)) (gc) (note (i32 1)) (null extern))"
    observed = seen(program("I1 = inst S0\nL2 = run_exn I1 0 v0 null null null 0 lifo", body))
    assert observed[1].values == ("n:0", 0, "f:0", "n:1", "null")


# --- where exactness ends


@pytest.mark.parametrize(
    ("body", "stays"),
    [
        ("(main (set 0 (new)) (gc) (get 0))", True),
        ("(global any (struct.new_default box)) (main (gc) (get 0))", True),
        ("(main (repeat 2 (if (get 3) (do (drop (get 0))))) (get 0))", False),  # a variable is read in vain
    ],
)
def test_a_store_stays_exact_as_long_as_all_is_understood(
    body: str, stays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = program(f"I1 = inst S0\n{RUN}", body)
    found = stores(made, HeapMachine("drc").run(made), monkeypatch)
    assert found[0].exact is stays


@pytest.mark.parametrize("collector", ["drc", "null"])
def test_wasmtime_agrees(require: Callable[[str], None], collector: str) -> None:
    require("rust")
    programs = [
        *(program(f"I1 = inst S0\n{RUN}\ngc S0\nF2 = fill S0 5000 v8", body, limit=limit) for body in (GARBAGE, HOARD) for limit in ("none", str(PAGE), str(2 * PAGE))),
        *(program(text, CALLING) for text in (INSIDE, ROOTED)),
        program(DROPPED, ANSWER),
    ]  # fmt: skip
    with parse(f"rust,collector={collector}").executor() as executor:
        hello = executor.hello
        profile = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
        for made, ran in zip(programs, executor.run(programs), strict=True):
            assert [found for found in judge(made, ran.observations, profile) if found.known is None] == [], made


SELECTED = "(main (local box) (global.set 0 (new)) (set 4 (struct.new box (select (global.get 0) (null extern) (then (clear) (i32 1))))) (null extern))"
FULL = f"F1 = fill S0 2046 v0\nI1 = inst S0\n{RUN.replace('v0', 'v2046')}"


def test_a_selected_value_waits_while_room_is_made_for_what_will_hold_it() -> None:
    made = program(FULL, SELECTED, limit=str(PAGE))
    observed = seen(made)
    assert observed[2].outcome == "err:oom"


def test_wasmtime_frees_it_and_has_room(require: Callable[[str], None]) -> None:
    """K3: the struct comes into the block of the value that it holds, and the judge knows why."""
    require("rust")
    made = program(FULL, SELECTED, limit=str(PAGE))
    with parse("rust").executor() as executor:
        hello = executor.hello
        profile = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
        (ran,) = executor.run([made])
    assert (ran.observations[2].outcome, ran.observations[2].finalized) == ("ok", (2046,))
    assert {found.known for found in judge(made, ran.observations, profile)} <= {"K3"}


STALE = "(func (param extern any) (gc)) (main (local sub exn) (drop (tee 4 (struct.new_default sub))) (try (catch_ref one 1 5) (call 0 (null extern) (null any)) (drop (new))) (gc) (call 0 (new) (get 4)) (null extern))"


def test_a_lost_value_that_a_later_collection_finds(require: Callable[[str], None]) -> None:
    """K28: the block of what a call in the `try` lost is another object's, which its stack map then keeps."""
    require("rust")
    made = program(f"I1 = inst S0\n{RUN.replace('run', 'run_exn')}", STALE)
    seen(made)
    with parse("rust").executor() as executor:
        hello = executor.hello
        profile = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
        (ran,) = executor.run([made])
    assert {found.known for found in judge(made, ran.observations, profile)} <= {"K28"}
