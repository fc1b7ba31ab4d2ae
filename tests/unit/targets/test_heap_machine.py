"""The in-tree heap as a machine: what the vocabulary leaves to executors, and agreement with the model."""

from __future__ import annotations

import pytest

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.builder import Builder
from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, NULL
from twinheap.model.profiles import profile_for
from twinheap.model.program import Config, Program
from twinheap.model.view import view
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.machine import UnsupportedOp
from twinheap.targets.wire import WireProgram

COLLECTORS = ("drc", "null", "copying")
ASYNC = 1


def run(*ops: tuple[str, *tuple[int, ...]], config: Config | None = None, collector: str = "drc") -> list[Observation]:
    """The observations of some ops, without those of the tail. A last operand of -2 keeps the error."""
    builder = Builder(config)
    for name, *operands in ops:
        keep = operands[-1:] == [-2]
        assert builder.add(CODE[name], operands[:-1] if keep else operands, keep) is not None, name
    program = builder.finish()
    return list(HeapMachine(collector).run(program))[: len(program.ops)]


def texts(seen: list[Observation]) -> list[str]:
    return [str(one) for one in seen]


def test_values_of_the_basic_ops() -> None:
    seen = run(
        ("ext_new", 0, 0),
        ("data_set", 1, 7),
        ("data", 1),
        ("conv_any", 1),
        ("kind", 2),
        ("i31_new", 0, 0xFFFFFFFF),
        ("kind", 3),
        ("conv_ext", 3),
        ("data", 4),
        ("data_set", 4, 1),
        ("eq", 1, 1),
        ("cast", 2, 2),
        ("cast", 3, 2),
        ("kind", 5),
    )
    assert texts(seen) == [
        "ok",
        "ok",
        "ok(0, 7)",
        "ok",
        "ok(extern)",
        "ok",
        "ok(i31, 2147483647)",
        "ok",
        "ok(none)",
        "ok(none)",
        "ok(True)",
        "ok(null)",
        "ok(nonnull)",
        "skip",
    ]


def test_a_null_leaves_its_slot_empty_and_a_null_operand_does_not_skip() -> None:
    seen = run(
        ("global_new", 0, 0, 1, NULL),
        ("global_get", 1),
        ("data", 2),
        ("global_set", 1, 2),
        ("global_set", 1, NULL),
        ("from_imm", 0, 0, 0),
        ("from_imm_owned", 0, 3, 1),
        ("kind", 4),
        ("typed_call", 0, 1, NULL),
        ("table_new", 0, 0, 1, 2, NULL),
        ("table_get", 6, 0),
        ("table_get_owned", 6, 1),
        ("table_grow", 6, 1, NULL),
        ("table_grow", 6, 1, NULL),
        ("table_size", 6),
    )
    assert texts(seen) == [
        "ok",
        "ok(null)",
        "skip",
        "skip",
        "ok",
        "ok(null)",
        "ok(nonnull)",
        "ok(i31, 1)",
        "ok(null)",
        "ok",
        "ok(null)",
        "ok(absent)",
        "ok(1)",
        "err:grow",
        "ok(2)",
    ]


def test_a_failed_allocation_gives_its_value_back_or_finalizes_it() -> None:
    seen = run(
        ("ext_new", 0, 0),
        ("ext_new", 0, 1, -2),
        ("data", 2),
        ("oom_take", 3),
        ("set_limit", 0, 65536),
        ("ext_new", 0, 1),
        ("data", 4),
        config=Config(limit=0),
    )
    outcomes = ["err:oom finalized v0", "err:oom", "skip", "ok(1)", "ok", "ok", "ok(1, 0)"]
    assert texts(seen) == outcomes
    assert seen[1].needed == 32
    assert seen[1].limiter == ((0, 65536),)


def test_a_kept_error_dies_by_oom_drop_or_with_its_store() -> None:
    seen = run(
        ("ext_new", 0, 0, -2),
        ("ext_new", 0, 1, -2),
        ("oom_drop", 2),
        ("oom_drop", 4),
        ("store_new", -1, 0),
        ("store_drop", 0),
        config=Config(limit=0),
    )
    assert texts(seen)[2:] == ["ok finalized v0", "ok finalized v1", "ok", "ok"]
    seen = run(("ext_new", 0, 0, -2), ("store_drop", 0), config=Config(limit=0))
    assert texts(seen) == ["err:oom", "ok finalized v0"]


def test_a_value_that_is_in_the_store_is_not_with_the_host() -> None:
    # The first allocation succeeds at run time, so there is no error to take it from.
    seen = run(("ext_new", 0, 0, -2), ("oom_take", 2), ("ext_new", 0, 0))
    assert texts(seen) == ["ok", "skip", "skip"]


def test_fill_and_free() -> None:
    seen = run(
        ("fill", 0, 3000, 0),
        ("free", 1, 1),
        ("gc", 0),
        ("free", 1, 2),
        ("free", 1, 2),
        ("free", 1, 0),
        ("gc", 0),
        config=Config(limit=65536),
    )
    assert seen[0].values == (2047,)
    assert seen[0].finalized == (2047,)
    assert seen[2].finalized == tuple(range(1, 2047, 2))
    assert sorted(seen[6].finalized) == list(range(0, 2047, 2))


def test_fill_of_nothing_still_makes_its_slot() -> None:
    seen = run(("fill", 0, 5, 0), ("free", 1, 3), config=Config(limit=0))
    assert texts(seen) == ["ok(0) finalized v0", "ok"]


def test_an_async_limiter_refuses_what_is_not_async() -> None:
    seen = run(
        ("ext_new", 0, 0),
        ("gc", 0),
        ("fill", 0, 2, 1),
        ("new_async", 0, 3),
        config=Config(limiter=ASYNC),
    )
    assert texts(seen) == ["err:other finalized v0", "err:other", "ok(0) finalized v1", "ok(pending)"]


def test_futures() -> None:
    seen = run(
        ("fill", 0, 2047, 0),
        ("new_async", 0, 2047),
        ("poll", 3, 1),
        ("cancel", 3),
        ("free", 1, 0),
        ("new_async", 0, 2048),
        ("poll", 5, 0),
        ("data", 4),
        ("gc_async", 0),
        ("poll", 6, 0),
        config=Config(limit=65536),
    )
    assert texts(seen)[1:4] == ["ok(pending)", "ok(pending)", "ok finalized v2047"]
    assert seen[5].finalized == tuple(range(2047))
    assert texts(seen)[7:] == ["ok(2048, 0)", "ok(pending)", "ok"]


def test_a_future_that_is_done_is_skipped() -> None:
    seen = run(("new_async", 0, 0), ("poll", 2, 1), ("cancel", 2), ("data", 1))
    assert texts(seen) == ["ok", "skip", "skip", "ok(0, 0)"]


@pytest.mark.parametrize(
    ("use", "outcome"),
    [
        (0, "panic:object used with wrong store"),
        (1, "panic:object used with wrong store"),
        (2, "panic:object used with wrong store"),
        (3, "err:type"),
    ],
)
def test_the_wrong_store(use: int, outcome: str) -> None:
    seen = run(("ext_new", 0, 0), ("store_new", -1, 0), ("wrong_store", 2, 1, use))
    assert seen[-1].outcome == outcome


def test_a_typed_call_takes_a_clone_of_an_owned_handle() -> None:
    seen = run(("ext_new_owned", 0, 0), ("typed_call_owned", 0, 0, 1), ("odrop", 2), ("gc", 0), ("data", 1))
    assert texts(seen) == ["ok", "ok(nonnull)", "ok", "ok", "ok(0, 0)"]


def test_errors_of_slots() -> None:
    seen = run(
        ("i31_new", 0, 1),
        ("global_new", 0, 0, 1, 1),
        ("global_new", 0, 1, 0, 1),
        ("global_set", 3, NULL),
        ("table_new", 0, 1, 2, -1, 1),
        ("table_set", 4, 2, NULL),
        ("table_copy", 4, 0, 4, 1, 2),
    )
    assert [one.outcome for one in seen] == ["ok", "err:type", "ok", "err:immutable", "ok", "err:oob", "err:oob"]


def test_copying_reports_nothing_exact() -> None:
    machine = HeapMachine("copying")
    assert not machine.hello().exact
    program = Builder(Config(limit=0))
    program.add(CODE["ext_new"], (0, 0))
    seen = machine.run(program.finish())
    assert (seen[0].outcome, seen[0].limiter, seen[0].needed) == ("err:oom", (), 0)


def test_a_program_may_end_anywhere() -> None:
    builder = Builder()
    builder.add(CODE["scope"], (0,))
    builder.add(CODE["ext_new"], (0, 0))
    whole = builder.finish()
    machine = HeapMachine("drc")
    cut = Program(whole.config, whole.ops[:2], (), whole.slots, whole.values)
    assert len(machine.run(cut)) == 2
    assert [str(one) for one in machine.run(whole)][2] == "ok finalized v0"


def test_an_exception_of_the_heap_is_a_panic(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = HeapMachine("drc")

    def broken(op: object) -> None:
        raise IndexError("list index out of\nrange")

    monkeypatch.setattr(machine, "_handlers", tuple([broken] * len(CODE)))
    program = Builder().finish()
    assert [one.outcome for one in machine.run(program)] == ["panic:IndexError: list index out of range"]


def test_an_op_that_was_not_offered_is_the_executors_trouble() -> None:
    machine = HeapMachine("drc")
    machine._handlers = tuple([machine._unsupported] * len(CODE))
    with pytest.raises(UnsupportedOp, match="gc was not offered"):
        machine.execute(WireProgram(0, -1, 0, 1, 0, ((CODE["gc"], 0),)), [0, 0])


def test_the_place_is_noted_before_each_op() -> None:
    note = [9, 9]
    HeapMachine("drc").execute(WireProgram(5, -1, 0, 1, 0, ((CODE["gc"], 0), (CODE["sync"], 0))), note)
    assert note == [5, 1]


@pytest.mark.parametrize("wrong", [{"collector": "mark"}, {"defects": frozenset({"k3"})}])
def test_unknown_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        HeapMachine(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_model_agrees(collector: str, profile: str) -> None:
    machine = HeapMachine(collector, verify=False)
    hello = machine.hello()
    expected = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
    for number in range(40):
        program = view(generate(11, number, PROFILES[profile]), machine.supported)
        assert judge(program, machine.run(program), expected) == []
