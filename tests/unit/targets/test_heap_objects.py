"""The in-tree heap's object ops: structs, arrays, exceptions, up-casts (docs/spec/semantics.md 3.2)."""

from __future__ import annotations

import pytest

from twinheap.model.builder import Builder
from twinheap.model.kit import ARRAYS, STRUCTS, stored_number
from twinheap.model.observation import Observation
from twinheap.model.ops import ANY, ARRAY, BY_NAME, CODE, EQ, EXTERN, NULL, STRUCT
from twinheap.model.program import Config, Program
from twinheap.targets.heap.machine import HeapMachine

COLLECTORS = ("drc", "null", "copying")
LIFO, OWNED = 0, 1
STRUCT_OF = {ty.name: number for number, ty in enumerate(STRUCTS)}
ARRAY_OF = {ty.name: number for number, ty in enumerate(ARRAYS)}
BIG = 2**31 - 1


class Ops:
    """Ops by name, as they come; slots are what each one makes."""

    def __init__(self, config: Config | None = None) -> None:
        self.builder = Builder(config)
        self.program: Program | None = None

    def __call__(self, name: str, *operands: int) -> int:
        made = self.builder.add(CODE[name], operands, "error" in {out.name for out in BY_NAME[name].outs})
        assert made is not None, name
        return made[0] if made else NULL

    def struct(self, name: str, *values: int, number: int = 0, form: int = LIFO) -> int:
        operands = (*values, *[NULL] * (4 - len(values)))
        return self("struct_new", 0, STRUCT_OF[name], number, *operands, form)

    def array(self, name: str, length: int, value: int = NULL, number: int = 0) -> int:
        return self("array_new", 0, ARRAY_OF[name], length, number, value, LIFO)

    def n(self, value: int) -> int:
        return self("ext_new", 0, value)

    def run(self, collector: str = "drc", verify: bool = True, **settings: frozenset[str]) -> list[Observation]:
        program = self.program = self.program or self.builder.finish()
        return list(HeapMachine(collector, verify=verify, **settings).run(program))[: len(program.ops)]

    def texts(self, collector: str = "drc", verify: bool = True) -> list[str]:
        return [str(one) for one in self.run(collector, verify)]


def last(seen: list[str], count: int) -> list[str]:
    return seen[-count:]


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("form", [LIFO, OWNED])
def test_what_a_struct_holds_is_read_back(collector: str, form: int) -> None:
    ops = Ops()
    struct = ops.struct("mixed", ops.n(0), ops.n(1), number=300, form=form)
    for field in (1, 3):
        ops("data", ops("struct_get", struct, field, EXTERN, form))
    for field in range(5):
        ops("struct_get_number", struct, field)
    ops("struct_get", struct, 0, EXTERN, form)
    ops("kind", ops("struct_get", struct, 1, ANY, form))
    ops("kind", struct)
    assert last(ops.texts(collector), 14) == [
        "ok",
        "ok(nonnull)",
        "ok(0, 0)",
        "ok(nonnull)",
        "ok(1, 0)",
        "ok(44)",
        "ok(absent)",
        f"ok({300 << 32 | 300})",
        "ok(absent)",
        "err:other",
        "ok(absent)",
        "ok(absent)",
        "skip",
        "ok(struct)",
    ]


@pytest.mark.parametrize("collector", COLLECTORS)
def test_every_number_reads_as_the_kit_says(collector: str) -> None:
    for number in (0, 1, 300, 0x12345, BIG):
        ops = Ops()
        struct = ops.struct("nums", number=number)
        for field in range(6):
            ops("struct_get_number", struct, field)
        expected = [f"ok({stored_number(field.storage, number)})" for field in STRUCTS[STRUCT_OF["nums"]].fields]
        assert last(ops.texts(collector), 6) == expected
        for name in ("bytes", "longs"):
            ops = Ops()
            ops("array_get_number", ops.array(name, 2, number=number), 1)
            storage = ARRAYS[ARRAY_OF[name]].fields[0].storage
            assert last(ops.texts(collector), 1) == [f"ok({stored_number(storage, number)})"]


def test_setting_fields_and_how_it_fails() -> None:
    ops = Ops()
    value = ops.n(0)
    number = ops("i31_new", 0, 7)
    struct = ops.struct("mixed", NULL, NULL)
    eqs = ops.struct("eqs", NULL, NULL, NULL, NULL)
    before = len(ops.builder.ops)
    ops("struct_set", struct, 1, value)
    ops("struct_set", struct, 3, value)
    ops("struct_set", struct, 0, value)
    ops("struct_set", struct, 0, NULL)
    ops("struct_set", struct, 1, number)
    ops("struct_set", struct, 4, NULL)
    ops("struct_set_number", struct, 1, 3)
    ops("struct_set_number", struct, 2, 3)
    ops("struct_set_number", struct, 4, 3)
    ops("struct_set", eqs, 0, number)
    ops("struct_set", eqs, 1, number)
    ops("struct_set", eqs, 1, struct)
    ops("struct_set", eqs, 2, struct)
    ops("struct_set", eqs, 3, struct)
    ops("struct_set", eqs, 3, value)
    assert ops.texts()[before:] == [
        "ok",
        "err:immutable",
        "err:type",
        "err:type",
        "err:type",
        "err:other",
        "err:type",
        "ok",
        "err:other",
        "ok",
        "ok",
        "err:type",
        "ok",
        "err:type",
        "err:type",
    ]


def test_a_node_takes_nodes_only() -> None:
    ops = Ops()
    node = ops.struct("node", NULL, NULL)
    box = ops.struct("box", NULL)
    before = len(ops.builder.ops)
    ops.struct("node", node, NULL)
    ops.struct("node", box, NULL)
    ops("struct_set", node, 0, node)
    ops("array_new_fixed", 0, ARRAY_OF["nodes"], 0, node, NULL, box, LIFO)
    ops("array_new_fixed", 0, ARRAY_OF["nodes"], 0, node, NULL, node, LIFO)
    assert ops.texts()[before:] == ["ok", "err:type", "ok", "err:type", "ok"]


@pytest.mark.parametrize("collector", COLLECTORS)
def test_arrays_are_read_written_and_measured(collector: str) -> None:
    ops = Ops()
    value, number = ops.n(0), ops("i31_new", 0, 7)
    array = ops("array_new_fixed", 0, ARRAY_OF["externs"], 0, value, NULL, value, OWNED)
    consts = ops.array("consts", 1, value)
    longs = ops.array("longs", 2, number=5)
    before = len(ops.builder.ops)
    ops("array_len", array)
    ops("array_get", array, 1, EXTERN, LIFO)
    ops("data", ops("array_get", array, 2, EXTERN, OWNED))
    ops("array_get", array, 3, EXTERN, LIFO)
    ops("array_get", array, 0, ANY, LIFO)
    ops("array_get_number", array, 0)
    ops("array_get_number", longs, 2)
    ops("array_set", array, 1, value)
    ops("array_set", array, 3, value)
    ops("array_set", array, 1, number)
    ops("array_set", longs, 1, NULL)
    ops("array_set_number", longs, 1, 9)
    ops("array_get_number", longs, 1)
    ops("array_set_number", array, 1, 9)
    ops("array_set", consts, 0, value)
    ops("kind", array)
    assert ops.texts(collector)[before:] == [
        "ok(3)",
        "ok(null)",
        "ok(nonnull)",
        "ok(0, 0)",
        "err:oob",
        "ok(absent)",
        "ok(absent)",
        "err:oob",
        "ok",
        "err:oob",
        "err:type",
        "err:type",
        "ok",
        f"ok({9 << 32 | 9})",
        "err:type",
        "err:immutable",
        "ok(array)",
    ]


def test_upcasts_share_the_root_and_go_where_any_is_wanted() -> None:
    ops = Ops()
    ops("scope", 0)
    struct = ops.struct("empty")
    eq = ops("upcast", struct, EQ)
    top = ops("upcast", eq, ANY)
    slot = ops("global_new", 0, ANY, 1, struct)
    ops("eq", top, ops("global_get", slot))
    ops("kind", ops("cast", top, STRUCT))
    ops("cast", eq, ARRAY)
    ops("end")
    ops("kind", top)
    ops("kind", eq)
    expected = ["ok(True)", "ok(nonnull)", "ok(struct)", "ok(null)", "ok", "err:unrooted", "err:unrooted"]
    assert last(ops.texts(), 7) == expected


@pytest.mark.parametrize("collector", COLLECTORS)
def test_exceptions_hold_are_thrown_and_taken(collector: str) -> None:
    ops = Ops()
    ops("scope", 0)
    exn = ops("exn_new", 0, 1, NULL, ops.n(0), LIFO)
    ops("exn_get", exn, 0, ANY, LIFO)
    ops("exn_get", exn, 0, EXTERN, LIFO)
    ops("exn_get", exn, 1, EXTERN, LIFO)
    ops("exn_get", exn, 2, EXTERN, LIFO)
    ops("exn_pending", 0)
    ops("throw", exn)
    ops("end")
    ops("gc", 0)
    ops("exn_pending", 0)
    taken = ops("exn_take", 0, OWNED)
    ops("exn_pending", 0)
    ops("exn_take", 0, LIFO)
    ops("kind", taken)
    ops("data", ops("exn_get", taken, 1, EXTERN, LIFO))
    assert last(ops.texts(collector), 15) == [
        "ok(null)",
        "ok(absent)",
        "ok(nonnull)",
        "err:other",
        "ok(False)",
        "exn",
        "ok",
        "ok",
        "ok(True)",
        "ok(nonnull)",
        "ok(False)",
        "ok(null)",
        "ok(exn)",
        "ok(nonnull)",
        "ok(0, 0)",
    ]


def test_a_chain_dies_with_its_head() -> None:
    ops = Ops()
    head = ops("chain", 0, 3000)
    ops("kind", head)
    ops("odrop", head)
    ops("gc", 0)
    ops("array_len", ops.array("externs", 1000))
    assert ops.texts(verify=False) == ["ok(3000)", "ok(struct)", "ok", "ok", "ok", "ok(1000)"]


def test_a_chain_ends_where_memory_does() -> None:
    for limit, made, kind in ((0, 0, "skip"), (65536, 2047, "ok(struct)")):
        ops = Ops(Config(limit=limit))
        ops("kind", ops("chain", 0, 4000))
        assert ops.texts(verify=False) == [f"ok({made})", kind]


def test_out_of_memory_of_objects_says_how_much() -> None:
    ops = Ops(Config(limit=0))
    ops.array("externs", 10)
    (seen,) = ops.run()
    assert (seen.outcome, seen.needed) == ("err:oom", 68)


def test_stale_handles_and_known_defects() -> None:
    ops = Ops()
    ops("scope", 0)
    stale = ops.n(0)
    ops("end")
    ops("scope", 0)
    ops("array_new_fixed", 0, ARRAY_OF["externs"], 0, ops.n(1), stale, NULL, LIFO)
    ops("end")
    ops("gc", 0)
    for defects, finalized in ((frozenset[str](), {0, 1}), (frozenset({"k12"}), {0})):
        seen = ops.run(verify=False, defects=defects)
        assert "err:unrooted" in {one.outcome for one in seen}
        assert {value for one in seen for value in one.finalized} == finalized


def test_a_host_throw_may_keep_an_uncounted_reference() -> None:
    ops = Ops()
    ops("scope", 0)
    ops("throw", ops("exn_new", 0, 0, ops.n(0), NULL, LIFO))
    ops("end")
    ops("gc", 0)
    for defects, finalized in ((frozenset[str](), set()), (frozenset({"k9"}), {0})):
        seen = ops.run(verify=False, defects=defects)
        assert {value for one in seen for value in one.finalized} == finalized
