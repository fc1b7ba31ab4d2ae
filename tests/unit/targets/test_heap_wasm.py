"""The in-tree heap's interpreter of bodies: what each form does and shows (docs/bodies.md, docs/spec/wasm-ops.md 6)."""

from __future__ import annotations

import msgspec
import pytest

from twinheap.model.body import features_of
from twinheap.model.builder import Builder
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, NULL, RUN_VALUES
from twinheap.model.program import Config
from twinheap.model.text import loads
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.wire import WireBody, WireProgram

COLLECTORS = ("drc", "null", "copying")
FREEING = ("drc", "copying")
LIFO, OWNED = 0, 1


class Runs:
    """A program with bodies, op by op; store 0 has an instance in slot 1."""

    def __init__(self, *bodies: str, limit: int = -1) -> None:
        self.builder = Builder(Config(limit, 0, bodies))
        self("inst", 0)

    def __call__(self, name: str, *operands: int) -> int:
        made = self.builder.add(CODE[name], operands, False)
        assert made is not None, name
        return made[0] if made else NULL

    def run(self, body: int = 0, a: int = NULL, b: int = NULL, c: int = NULL, selector: int = 0, form: int = 0) -> int:
        name = "run_exn" if features_of(self.builder.config.bodies[body]) else "run"
        return self(name, 1, body, self.builder.next_value, a, b, c, selector, form)

    def see(
        self, collector: str = "drc", defects: frozenset[str] = frozenset(), verify: bool = True
    ) -> list[Observation]:
        """All observations; those of the tail come last."""
        program = self.builder.finish()
        config = program.config
        bodies = tuple(WireBody(text, b"") for text in config.bodies)
        sent = WireProgram(0, config.limit, 0, program.slots, program.values, program.all_ops, bodies)
        machine = HeapMachine(collector, verify=verify, defects=defects)
        try:
            return msgspec.convert(machine.execute(sent, [0, 0]), list[Observation])
        finally:
            machine.finish()


def shows(text: str, collector: str = "drc", **settings: int) -> str:
    """What one run of a body shows, without arguments."""
    runs = Runs(text, **settings)
    runs.run()
    seen = runs.see(collector)[1]
    return " ".join([seen.outcome, *(str(value) for value in seen.values)])


EVERYWHERE = {
    "(main (null extern))": "ok null",
    "(main (note (i32 -1)) (new))": "ok n:-1 nonnull",
    "(main (local extern) (set 4 (new)) (gc) (see (get 4)) (null extern))": "ok 0 null",
    "(main (see (new)) (see (new)) (see (null extern)) (see (to_extern (i31 (i32 -1)))) (null extern))": (
        "ok 0 1 null i31:2147483647 null"
    ),
    "(main (see (to_extern (struct.new_default empty))) (null extern))": "ok object null",
    "(main (note (i31.get_s (i31 (i32 -2)))) (note (i31.get_u (i31 (i32 5)))) (null extern))": "ok n:-2 n:5 null",
    "(main (note (i31.get_s (null i31))) (null extern))": "trap:null_ref",
    "(main (note (add (i32 2147483647) (i32 1))) (null extern))": "ok n:-2147483648 null",
    "(main (note (to_i32 (i64 -3))) (note (to_i32 (f32 -3))) (note (to_i32 (f64 7))) (null extern))": (
        "ok n:-3 n:-3 n:7 null"
    ),
    "(main (note (i32 1)) (unreachable) (null extern))": "trap:unreachable n:1",
    "(main (block (block (br 1)) (note (i32 1))) (block (br_if 0 (i32 1)) (note (i32 2))) (null extern))": "ok null",
    "(main (block (block (br_table (i32 9) 0 1)) (note (i32 1))) (note (i32 2)) (null extern))": "ok n:2 null",
    "(main (local i32) (repeat 3 (set 4 (add (get 4) (i32 2)))) (note (get 4)) (null extern))": "ok n:6 null",
    "(main (if (i32 0) (do (note (i32 1))) (do (note (i32 2)))) (null extern))": "ok n:2 null",
    "(main (see (select (new) (new) (i32 0))) (see (if_else (i32 1) (null extern) (new))) (null extern))": (
        "ok 1 null null"
    ),
    "(main (see (then (note (i32 1)) (new))) (return (null extern)) (note (i32 1)) (null extern))": "ok n:1 0 null",
    "(main (see (pass (new))) (drop (new)) (null extern))": "ok 0 null",
    "(main (repeat 9 (see (new))) (null extern))": "ok 0 1 2 3 4 5 6 7 null null",
    "(main (global.set 0 (new)) (gc) (see (global.get 0)) (clear) (see (global.get 0)) (null extern))": (
        "ok 0 null null"
    ),
    "(main (table.set 0 (i32 3) (new)) (gc) (see (table.get 0 (i32 3))) (see (table.get 0 (i32 4))) (null extern))": (
        "trap:table_oob 0"
    ),
    "(main (note (table.grow 0 (new) (i32 3))) (note (table.grow 0 (new) (i32 30))) (note (table.size 0))"
    " (see (table.get 0 (i32 6))) (null extern))": "ok n:4 n:-1 n:7 0 null",
    "(main (table.fill 0 (i32 1) (new) (i32 2)) (table.copy 0 0 (i32 0) (i32 1) (i32 3)) (see (table.get 0 (i32 1)))"
    " (see (table.get 0 (i32 2))) (table.fill 0 (i32 4) (new) (i32 1)) (null extern))": "trap:table_oob 0 null",
    "(main (local struct) (set 4 (struct.new pair (new) (i31 (i32 1)))) (gc)"
    " (see (struct.get pair 0 (cast pair (get 4))))"
    " (see (to_extern (struct.get pair 1 (cast pair (get 4))))) (null extern))": "ok 0 i31:1 null",
    "(main (note (struct.get nums 0 (struct.new nums (i32 -1) (i32 -1) (i32 -1) (i64 1) (f32 1) (f64 1))))"
    " (note (struct.get sub 1 (struct.new_default sub))) (null extern))": "ok n:255 n:0 null",
    "(main (drop (struct.get box 0 (null box))) (null extern))": "trap:null_ref",
    "(main (note (test box (struct.new_default sub))) (note (test sub (struct.new_default box)))"
    " (note (test eq (i31 (i32 1)))) (note (test any (null any))) (note (test eq (to_any (new))))"
    " (drop (cast array (struct.new_default empty))) (null extern))": "trap:cast n:1 n:0 n:1 n:0 n:0",
    "(main (note (is_null (cast array (null any)))) (note (ref_eq (i31 (i32 3)) (i31 (i32 3))))"
    " (note (ref_eq (struct.new_default empty) (struct.new_default empty))) (drop (as_non_null (null any)))"
    " (null extern))": "trap:null_ref n:1 n:1 n:0",
    "(main (note (test i31 (on_cast i31 (struct.new_default box) (i31 (i32 1)))))"
    " (note (test array (on_cast eq (array.new_default externs (i32 1)) (null eq)))) (null extern))": "ok n:1 n:1 null",
    "(main (local externs) (set 4 (array.new externs (new) (i32 3))) (array.set externs (get 4) (i32 1) (null extern))"
    " (array.copy externs externs (get 4) (i32 0) (get 4) (i32 1) (i32 2)) (see (array.get externs (get 4) (i32 0)))"
    " (see (array.get externs (get 4) (i32 1))) (note (array.len (get 4)))"
    " (array.fill externs (get 4) (i32 3) (new) (i32 0)) (array.fill externs (get 4) (i32 3) (new) (i32 1))"
    " (null extern))": "trap:array_oob null 0 n:3",
    "(main (note (array.get bytes (array.new_data bytes (i32 5) (i32 3)) (i32 2)))"
    " (note (to_i32 (array.get longs (array.new_data longs (i32 1) (i32 2)) (i32 0))))"
    " (drop (array.new_data longs (i32 1) (i32 8))) (null extern))": "trap:memory_oob n:7 n:67305985",
    "(main (local bytes) (set 4 (array.new_default bytes (i32 4))) (array.init_data bytes (get 4) (i32 1) (i32 9)"
    " (i32 2)) (note (array.get bytes (get 4) (i32 2))) (array.init_data bytes (get 4) (i32 3) (i32 0) (i32 2))"
    " (null extern))": "trap:array_oob n:10",
    "(main (drop (array.new_default longs (i32 -1))) (null extern))": "trap:too_large",
    "(segment eq (struct.new_default empty) (i31 (i32 3))) (main (local eqs anys anys)"
    " (set 5 (array.new_elem anys 0 (i32 0) (i32 2))) (set 6 (array.new_default anys (i32 3))) (gc)"
    " (array.init_elem anys 0 (get 6) (i32 1) (i32 0) (i32 2))"
    " (note (ref_eq (cast eq (array.get anys (get 5) (i32 0))) (cast eq (array.get anys (get 6) (i32 1)))))"
    " (table.init 1 0 (i32 0) (i32 1) (i32 1)) (see (to_extern (table.get 1 (i32 0)))) (elem.drop 0)"
    " (table.init 1 0 (i32 0) (i32 0) (i32 0)) (table.init 1 0 (i32 0) (i32 0) (i32 1)) (null extern))": (
        "trap:table_oob n:1 i31:3"
    ),
    "(func (param extern i32) (result extern) (local extern) (gc) (get 0))"
    " (func (param extern) (result extern) (tail 0 (get 0) (i32 1)) (null extern)) (func (gc))"
    " (main (local extern) (call 2) (see (tee 4 (call_ref 1 (new)))) (see (call_indirect 0 (new) (i32 0)))"
    " (see (get 4)) (null extern))": "ok 0 1 0 null",
    "(main (local extern) (try (catch one 4) (throw one (new)) (note (i32 1))) (gc) (see (get 4)) (null extern))": (
        "ok 0 null"
    ),
    "(func (param extern) (drop (struct.new box (get 0))) (throw two (i31 (i32 1)) (get 0)))"
    " (main (local any extern exn extern) (try (catch_ref two 4 5 6) (try (catch one 5) (call 0 (new)))) (gc)"
    " (see (to_extern (get 4))) (try (catch two 4 7) (throw_ref (get 6))) (see (get 7))"
    " (try (catch_all) (throw nothing)) (throw_ref (null exn)) (null extern))": "trap:null_ref i31:1 0",
    "(main (note (i32 1)) (throw one (new)) (null extern))": "exn n:1",
}


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("parts", EVERYWHERE)
def test_forms(parts: str, collector: str) -> None:
    assert shows(f"(body {parts})", collector) == EVERYWHERE[parts]


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("form", [LIFO, OWNED])
def test_arguments_and_results_cross(collector: str, form: int) -> None:
    runs = Runs("(body (main (gc) (if (get 3) (do (return (to_extern (get 2))))) (see (get 1)) (get 0)))")
    runs("scope", 0)
    first, second, third = runs("ext_new_owned", 0, 0), runs("ext_new", 0, 1), runs("i31_new", 0, 5)
    result = runs.run(0, first, second, third, 0, form)
    runs("odrop", first)
    runs("gc", 0)
    runs("data", result)
    runs("kind", runs.run(0, NULL, second, third, 1, form))
    seen = [str(one) for one in runs.see(collector)]
    assert seen[5] == "ok(1, nonnull)"
    assert seen[8:11] == ["ok(0, 0)", "ok(nonnull)", "ok(i31, 5)"]


@pytest.mark.parametrize("collector", COLLECTORS)
def test_globals_and_tables_are_shared_with_the_host(collector: str) -> None:
    runs = Runs("(body (main (global.set 5 (struct.new box (new))) (see (table.get 0 (i32 2))) (null extern)))")
    cell, other, table = runs("inst_global", 1, 5), runs("inst_global", 1, 4), runs("inst_table", 1, 0)
    runs("table_set", table, 2, runs("ext_new", 0, 0))
    runs.run()
    runs("global_set", other, runs("global_get", cell))
    runs("global_set", runs("inst_global", 1, 6), runs("global_get", cell))
    seen = [str(one) for one in runs.see(collector)]
    assert seen[6:][:6] == ["ok(0, null)", "ok(nonnull)", "ok", "ok", "ok(nonnull)", "err:type"]


@pytest.mark.parametrize("collector", FREEING)
def test_what_nothing_holds_is_finalized_and_traced(collector: str) -> None:
    runs = Runs("(body (main (drop (new)) (gc) (note (i32 1)) (global.set 0 (new)) (clear) (gc) (new)))")
    runs.run()
    seen = runs.see(collector)[1]
    assert seen.values == ("f:0", "n:1", "f:1", "nonnull")
    assert set(seen.finalized) == {0, 1}


@pytest.mark.parametrize("collector", COLLECTORS)
def test_out_of_memory_in_wasm(collector: str) -> None:
    body = "(body (main (local node) (repeat 50 (repeat 50 (set 4 (struct.new node (get 4) (null extern)))))"
    body += " (global.set 5 (get 4)) (null extern)))"
    runs = Runs(
        body, "(body (main (note (i32 1)) (drop (array.new_default anys (i32 7000))) (null extern)))", limit=65536
    )
    runs.run()
    runs.run(1)
    seen = [one.outcome for one in runs.see(collector, verify=False)]
    expected = {"null": ["ok", "trap:too_large"], "drc": ["err:oom", "ok"], "copying": ["err:oom", "ok"]}
    assert seen[1:3] == expected[collector]


def test_garbage_is_collected_when_wasm_runs_out_of_memory() -> None:
    body = "(body (main (repeat 50 (repeat 50 (drop (struct.new box (null extern))))) (null extern)))"
    for collector in FREEING:
        assert shows(body, collector, limit=65536) == "ok null"


@pytest.mark.parametrize("collector", COLLECTORS)
def test_an_uncaught_exception_stays_pending(collector: str) -> None:
    runs = Runs("(body (main (throw one (new)) (null extern)))")
    runs.run()
    runs("exn_pending", 0)
    runs("gc", 0)
    taken = runs("exn_take", 0, LIFO)
    runs("data", runs("exn_get", taken, 0, 0, LIFO))
    seen = [str(one) for one in runs.see(collector)]
    assert seen[1:7] == ["exn", "ok(True)", "ok", "ok(nonnull)", "ok(nonnull)", "ok(0, 0)"]


def test_a_caught_exception_leaks_with_k2_only() -> None:
    body = "(body (main (local extern) (try (catch one 4) (throw one (new))) (null extern)))"
    for defects, finalized in ((frozenset[str](), {0}), (frozenset({"k2"}), set())):
        runs = Runs(body)
        runs.run()
        seen = runs.see("drc", defects, verify=False)
        assert {value for one in seen[:-1] for value in one.finalized} == finalized


def test_values_that_a_run_does_not_take_stay_with_the_host() -> None:
    runs = Runs("(body (main (drop (new)) (null extern)))")
    runs.run()
    after = runs.builder.next_value
    assert after == RUN_VALUES
    assert [value for one in runs.see() for value in one.finalized] == [0]


def test_segments_belong_to_an_instance_and_a_body() -> None:
    body = (
        "(body (segment any (struct.new_default empty)) (main (table.init 1 0 (i32 0) (i32 0) (i32 1))"
        " (table.init 1 0 (i32 1) (i32 0) (i32 1)) (note (ref_eq (cast eq (table.get 1 (i32 0)))"
        " (cast eq (table.get 1 (i32 1))))) (elem.drop 0) (null extern)))"
    )
    runs = Runs(body, body)
    runs.run(0)
    runs.run(0)
    runs.run(1)
    assert [one.outcome for one in runs.see()][1:4] == ["ok", "trap:table_oob", "ok"]


OWN = (
    "(body (const box (struct.new_default box)) (global any (global.get 7))"
    " (active 1 2 eq (i31 (i32 5)) (global.get 7))"
    " (main (see (to_extern (table.get 1 (i32 2)))) (note (ref_eq (cast eq (table.get 1 (i32 3))) (global.get 7)))"
    " (see (struct.get box 0 (global.get 7))) (struct.set box 0 (global.get 7) (new)) (table.set 1 (i32 2) (null any))"
    " (see (to_extern (global.get 8))) (global.set 8 (null any)) (null extern)))"
)


@pytest.mark.parametrize("collector", COLLECTORS)
def test_private_globals_and_active_segments_are_made_once_for_each_instance(collector: str) -> None:
    runs = Runs(OWN)
    runs.run()
    runs("gc", 0)
    runs.run()
    seen = runs.see(collector)
    assert seen[1].values == ("i31:5", "n:1", "null", "object", "null")
    assert seen[3].values == ("null", "n:1", 0, "null", "null")


@pytest.mark.parametrize("collector", COLLECTORS)
def test_a_body_that_could_not_be_instantiated_is_when_it_runs_again(collector: str) -> None:
    large = " ".join("(array.new_default longs (i32 100))" for _ in range(100))
    runs = Runs(f"(body (active 1 0 any (i31 (i32 5))) (segment any {large}) (main (null extern)))", limit=65536)
    runs.run()
    runs.run()
    assert [one.outcome for one in runs.see(collector)[1:3]] == ["err:oom", "err:oom"]
    runs = Runs("(body (active 1 3 any (i31 (i32 5)) (i31 (i32 5))) (main (null extern)))")
    runs.run()
    runs.run()
    assert [one.outcome for one in runs.see(collector)[1:3]] == ["trap:table_oob", "trap:table_oob"]


def test_long_chains_of_helpers_fit() -> None:
    helpers = ["(func (param extern) (result extern) (get 0))"]
    helpers += [f"(func (param extern) (result extern) (call {at} (get 0)))" for at in range(300)]
    assert shows(f"(body {' '.join(helpers)} (main (call 300 (new))))") == "ok nonnull"


def test_a_long_trace_is_cut() -> None:
    words = shows("(body (main (repeat 50 (repeat 50 (note (i32 1)))) (null extern)))").split()
    assert words == ["ok", *["n:1"] * 255, "null"]


def test_a_table_of_a_body_is_copied_to_one_of_the_kit() -> None:
    """Of extern elements, which no table of any takes."""
    fetch = "(table.set 2 (i32 1) (get 0)) (table.copy 0 2 (i32 0) (i32 0) (i32 2)) (see (table.get 0 (i32 1)))"
    text = f"""twinheap program 1
B0: (body (table64 extern 2 4 (null extern)) (main {fetch} (null extern)))
I1 = inst S0
O2 = ext_new_owned S0 v0
L3 = run I1 0 v1 O2 null null 0 lifo
"""
    seen = HeapMachine("drc").run(loads(text).program)
    assert (seen[2].outcome, seen[2].values) == ("ok", (0, "null"))
