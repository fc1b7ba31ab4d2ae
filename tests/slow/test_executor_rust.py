"""The Rust executor on the default release: exact agreement with the model, panics, futures, misuse, nothing left.

Building it takes minutes: without `TWINHEAP_REQUIRE=rust` the tests skip if it is not built.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import msgspec
import pytest

from twinheap.fuzz.generate import generate
from twinheap.fuzz.profiles import PROFILES
from twinheap.model.builder import Builder
from twinheap.model.engines import NUMBER
from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.ops import CODE, EXTERN, INT_KINDS, NULL, RUN_VALUES, UNLIMITED
from twinheap.model.profiles import profile_for
from twinheap.model.program import Config, Program
from twinheap.model.view import view
from twinheap.targets.check import check_executor
from twinheap.targets.executor import MOST_PANICS, POOL_PANICS, Executor
from twinheap.targets.registry import Target, parse
from twinheap.targets.wire import OP_NAMES, WIRE_VERSION, ParentHello, Request, batch_frame, frame

BUILD_TIMEOUT = 1800
"""Seconds for a first build on a slow machine beside other load."""
PROGRAMS = 400
"""Programs of each profile and collector in a test run; campaigns run millions."""
LEAK_ROUNDS = 300
"""Programs of which each would leave a store behind: 300 stores reserve over a terabyte of addresses."""
LEAK_LIMIT = 20 << 20
"""Bytes by which the executor may grow in them; its first collections and buffers take some."""

OVERFLOW = "panic:capacity overflow"
"""A table that grows beyond what memory can be asked for: the store is not used any more."""

ASYNC = Config(limiter=1)
FULL = Config(limit=0)


@pytest.fixture(scope="module")
def target(require_executor: Callable[[], None]) -> Target:
    require_executor()
    return parse("rust", print)


@pytest.fixture(scope="module")
def rust(target: Target) -> Iterator[Executor]:
    with target.executor() as executor:
        yield executor


pytestmark = pytest.mark.timeout(BUILD_TIMEOUT)


def program(*ops: tuple[str, *tuple[int, ...]], config: Config | None = None, keep: bool = False) -> Program:
    builder = Builder(config)
    for name, *operands in ops:
        assert builder.add(CODE[name], operands, keep) is not None, name
    return builder.finish()


def kind(of: str, name: str) -> int:
    return INT_KINDS[of].names.index(name)


def seen_by(executor: Executor, asked: Program) -> list[str]:
    (ran,) = executor.run([asked])
    assert ran.ended in (None, "panic"), ran
    return [str(one) for one in ran.observations]


def test_it_says_what_it_is(rust: Executor) -> None:
    hello = rust.hello
    assert (hello.runtime, hello.release, hello.collector, hello.exact) == ("wasmtime", "42.0.2", "drc", True)
    assert {"scope", "gc_for", "new_async", "typed_call_owned", "wrong_store"} <= hello.ops


def test_it_passes_its_check(target: Target) -> None:
    assert [check for check in check_executor(target.command) if not check.passed] == []


@pytest.mark.parametrize("collector", ["drc", "null"])
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_model_predicts_every_moment(require: Callable[[str], None], profile: str, collector: str) -> None:
    require("rust")
    with parse(f"rust,collector={collector}").executor() as executor:
        hello = executor.hello
        judged = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
        views = [view(generate(1, at, PROFILES[profile], hello.ops), hello.ops) for at in range(PROGRAMS)]
        for asked, ran in zip(views, executor.run(views), strict=True):
            unknown = [verdict for verdict in judge(asked, ran.observations, judged) if verdict.known is None]
            assert unknown == [], asked


# --- panics


def test_a_panic_ends_the_program_and_not_the_executor(rust: Executor) -> None:
    wrong = program(("store_new", -1, 0), ("ext_new", 0, 0), ("scope", 0), ("wrong_store", 1, 2, 0))
    pid = rust.pid
    for _ in range(3):
        assert seen_by(rust, wrong)[3:] == ["panic:object used with wrong store"]
    assert rust.pid == pid
    assert seen_by(rust, program(("ext_new", 0, 0)))[0] == "ok"


def test_a_foreign_value_is_a_type_error(rust: Executor) -> None:
    assert seen_by(rust, program(("store_new", -1, 0), ("ext_new", 0, 0), ("wrong_store", 1, 2, 3)))[2] == "err:type"


def test_panicking_programs_leave_nothing_behind(rust: Executor) -> None:
    wrong = program(("store_new", -1, 0), ("ext_new", 0, 0), ("ext_new", 1, 1), ("wrong_store", 1, 2, 0))
    rust.run([wrong] * 20)
    before = resident(rust.pid)
    pid = rust.pid
    for _ in range(LEAK_ROUNDS // 20):
        rust.run([wrong] * 20)
    assert rust.pid == pid
    assert resident(pid) - before < LEAK_LIMIT


@pytest.mark.parametrize(("engine", "programs"), [("default", MOST_PANICS), ("pooling", MOST_PANICS // POOL_PANICS)])
def test_an_executor_of_many_panics_is_relieved(target: Target, engine: str, programs: int) -> None:
    """Each may keep an engine, of which a process has room for some thirty with pools; no result is lost by that."""
    panics = program(
        ("table_new64", 0, 1, 1, UNLIMITED, NULL),
        ("table_grow_huge", 1, 2**61, NULL),
        config=Config(engine=NUMBER[engine]),
    )
    with target.executor() as executor:
        first = executor.pid
        assert {one.observations[-1].outcome for one in executor.run([panics] * (programs - 1))} == {OVERFLOW}
        assert executor.pid == first
        executor.send(enumerate([panics]))
        executor.send(enumerate([program(("ext_new", 0, 0))] * 3))
        assert [one.observations[-1].outcome for one in executor.receive()] == [OVERFLOW]
        assert executor.pid != first
        assert [str(one.observations[0]) for one in executor.receive()] == ["ok"] * 3


@pytest.mark.parametrize("engine", ["default", "fuel", "pooling"])
def test_a_panic_changes_nothing_for_later_programs(target: Target, engine: str) -> None:
    """What was compiled before is read back into the engine that takes the place of the old one, bodies included."""
    code = "(set 4 (new)) (see (get 4)) (see (to_extern (struct.new_default empty))) (get 4)"
    text = f"(body (main (local extern) {code}))"
    config = Config(engine=NUMBER[engine], bodies=(text,))
    runs = (("inst", 0), ("run", 1, 0, 0, NULL, NULL, NULL, 0, 0), ("typed_pass", 0, 0, EXTERN, 1, 2))
    panics = (("table_new64", 0, 1, 1, UNLIMITED, NULL), ("table_grow_huge", 4, 2**61, NULL))
    good, bad = program(*runs, ("modules_drop", 0), *runs[:1], config=config), program(*runs, *panics, config=config)
    with target.executor() as executor:
        before = executor.run([good, good])
        after = executor.run([bad, good, bad, good])
    assert [str(one) for one in before[0].observations[:3]] == ["ok", "ok(0, object, nonnull)", "ok(nonnull)"]
    assert [one.observations for one in (before[1], after[1], after[3])] == [before[0].observations] * 3
    assert [after[at].observations[-1].outcome for at in (0, 2)] == [OVERFLOW] * 2


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# --- errors that give the value back


def test_an_error_gives_its_value_back(rust: Executor) -> None:
    kept = program(("ext_new", 0, 0), ("oom_take", 2), ("set_limit", 0, -1), ("ext_new", 0, 0), config=FULL, keep=True)
    assert seen_by(rust, kept)[:4] == ["err:oom", "ok(0)", "ok", "ok"]


def test_an_error_serves_a_collection_and_still_gives_its_value_back(rust: Executor) -> None:
    kept = program(("ext_new", 0, 0), ("gc_for", 0, 2), ("gc_for", 0, 2), ("oom_take", 2), config=FULL, keep=True)
    assert seen_by(rust, kept)[:4] == ["err:oom", "ok", "ok", "ok(0)"]


def test_a_dropped_error_drops_its_value(rust: Executor) -> None:
    kept = program(("ext_new", 0, 0), ("oom_drop", 2), config=FULL, keep=True)
    assert seen_by(rust, kept)[:2] == ["err:oom", "ok finalized v0"]


def test_limiter_calls_and_needed_bytes_are_reported(rust: Executor) -> None:
    (ran,) = rust.run([program(("ext_new", 0, 0), config=FULL)])
    assert ran.observations[0] == Observation("err:oom", (), (0,), ((0, 0), (0, 65536)), 32)


def test_calls_that_were_made_and_dropped_leave_no_object(rust: Executor) -> None:
    """A heap of 64 KiB holds 2047 externrefs: there is none of the instance whose main was called."""
    ops = (("churn", 0, kind("churn", "call"), 1), ("fill", 0, 2047, 0))
    assert seen_by(rust, program(*ops, config=Config(limit=65536)))[1] == "ok(2047)"


# --- futures


def test_a_future_lasts_over_ops_of_other_stores(rust: Executor) -> None:
    ops = (("store_new", -1, 0), ("new_async", 0, 0), ("scope", 1), ("ext_new", 1, 1), ("poll", 3, 0), ("data", 2))
    assert seen_by(rust, program(*ops, config=ASYNC))[:6] == ["ok", "ok(pending)", "ok", "ok", "ok", "ok(0, 0)"]


def test_a_cancelled_allocation_drops_its_value(rust: Executor) -> None:
    asked = program(("new_async", 0, 0), ("cancel", 2), ("ext_new", 0, 1), config=ASYNC)
    assert seen_by(rust, asked)[:3] == ["ok(pending)", "ok finalized v0", "err:other finalized v1"]


@pytest.mark.parametrize("count", range(5))
def test_a_program_may_end_anywhere(rust: Executor, count: int) -> None:
    # With open scopes and pending futures: what borrows a store must go before it.
    asked = program(("scope", 0), ("scope", 0), ("i31_new", 0, 7), ("new_async", 0, 0), ("end",), config=ASYNC)
    (ran,) = rust.run([msgspec.structs.replace(asked, ops=asked.ops[:count], tail=())])
    assert len(ran.observations) == count
    assert ran.ended is None


def test_scopes_of_two_stores_interleave(rust: Executor) -> None:
    ops = (("store_new", -1, 0), ("scope", 0), ("scope", 1), ("scope", 0), ("ext_new", 0, 0), ("ext_new", 1, 1))
    asked = program(*ops, ("end",), ("data", 2), ("data", 3), ("end",), ("data", 3))
    assert seen_by(rust, asked)[6:11] == [
        "ok finalized v0",
        "err:unrooted",
        "ok(1, 0)",
        "ok finalized v1",
        "err:unrooted",
    ]


def test_an_owned_handle_outlives_its_store_and_dies_on_another_thread(rust: Executor) -> None:
    asked = program(("ext_new_owned", 0, 0), ("oclone", 1), ("store_drop", 0), ("owned_drop_thread", 1), ("odrop", 2))
    assert seen_by(rust, asked) == ["ok", "ok", "ok finalized v0", "ok", "ok"]


# --- the wire


def answer_to(target: Target, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(target.command, input=data, capture_output=True, timeout=60, check=False)


HELLO = frame(ParentHello(Request(WIRE_VERSION, list(OP_NAMES))))


def test_the_end_of_input_is_the_end(target: Target) -> None:
    assert answer_to(target, HELLO).returncode == 0


def encoded(*ops: tuple[int, ...], slots: int = 4) -> bytes:
    return msgspec.msgpack.encode((0, -1, 0, slots, 4, ops))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (batch_frame(0, []), b"before the handshake"),
        (HELLO + b"\x05\0\0", b"stopped within a frame"),
        (HELLO + b"\xff\xff\xff\xff", b"is announced"),
        (frame(ParentHello(Request(99, []))), b"wire version 99"),
        (HELLO + batch_frame(0, [encoded((200, 0))]), b"op 200 was not offered"),
        (HELLO + batch_frame(0, [encoded((CODE["gc"],))]), b"gc with 1 fields"),
        (HELLO + batch_frame(0, [encoded((CODE["gc"], 9))]), b"there is no slot 9"),
        (HELLO + batch_frame(0, [encoded((CODE["end"],))]), b"an end without a scope"),
        (HELLO + batch_frame(0, [encoded((CODE["store_drop"], 0), (CODE["gc"], 0))]), b"store that was dropped"),
        (HELLO + batch_frame(0, [encoded((CODE["scope"], 0), (CODE["store_drop"], 0))]), b"in the midst of its scopes"),
        (HELLO + batch_frame(0, [encoded((CODE["ext_new"], 0, 99, 1, NULL))]), b"there is no value 99"),
    ],
)
def test_misuse_is_an_error_of_one_line(target: Target, data: bytes, words: bytes) -> None:
    answer = answer_to(target, data)
    assert answer.returncode == 3
    assert words in answer.stdout
    assert answer.stderr.count(b"\n") == 1


def test_a_store_is_refused_while_its_future_is_pending(target: Target) -> None:
    ops = ((CODE["new_async"], 0, 0, 1, 2, NULL), (CODE["gc"], 0))
    data = HELLO + batch_frame(0, [msgspec.msgpack.encode((0, -1, 1, 4, 4, ops))])
    assert b"whose future is pending" in answer_to(target, data).stdout


@pytest.mark.parametrize(
    "options", [["--collector", "mark-sweep"], ["--collector"], ["--colour", "red"], ["--zeal", "0"]]
)
def test_unknown_options_are_refused(target: Target, options: list[str]) -> None:
    answer = subprocess.run([target.command[0], *options], capture_output=True, timeout=60, check=False)
    assert answer.returncode == 2
    assert answer.stderr.count(b"\n") == 1


# --- objects and bodies


def test_structs_hold_what_they_were_given(rust: Executor) -> None:
    made = (("ext_new", 0, 0), ("struct_new", 0, kind("struct", "mixed"), 300, 1, NULL, NULL, NULL, 1))
    reads = [("struct_get_number", 2, at) for at in range(4)] + [
        ("struct_get", 2, at, EXTERN, 0) for at in (1, 3, 0, 4)
    ]
    writes = (
        ("struct_set", 2, 1, NULL),
        ("struct_set", 2, 3, 1),
        ("struct_set", 2, 0, NULL),
        ("struct_set_number", 2, 1, 0),
    )
    assert seen_by(rust, program(*made, *reads, *writes))[2:14] == [
        "ok(44)",
        "ok(absent)",
        f"ok({300 << 32 | 300})",
        "ok(absent)",
        "ok(nonnull)",
        "ok(null)",
        "ok(absent)",
        "err:other",
        "ok",
        "err:immutable",
        "err:type",
        "err:type",
    ]


def test_elements_have_bounds_before_types(rust: Executor) -> None:
    made = (("array_new", 0, kind("array", "bytes"), 2, 511, NULL, 0), ("ext_new", 0, 0))
    reads = (
        ("array_len", 1),
        ("array_get_number", 1, 1),
        ("array_get", 1, 1, EXTERN, 0),
        ("array_get", 1, 2, EXTERN, 0),
    )
    assert seen_by(rust, program(*made, *reads, ("array_set", 1, 0, 2)))[2:7] == [
        "ok(2)",
        "ok(255)",
        "ok(absent)",
        "err:oob",
        "err:type",
    ]


@pytest.mark.parametrize("form", [0, 1])
def test_an_owned_operand_leaves_no_root(rust: Executor, form: int) -> None:
    made = (("ext_new_owned", 0, 0), ("struct_new", 0, kind("struct", "box"), 0, 1, NULL, NULL, NULL, form))
    asked = program(*made, ("odrop", 1), ("gc", 0), ("struct_set", 2, 0, NULL))
    assert seen_by(rust, asked)[3:5] == ["ok", "ok finalized v0"]


def test_exceptions_are_thrown_and_taken(rust: Executor) -> None:
    made = (("ext_new", 0, 0), ("exn_new", 0, kind("tag", "two"), NULL, 1, 0), ("throw", 2), ("exn_pending", 0))
    asked = program(*made, ("exn_take", 0, 1), ("exn_get", 3, 1, EXTERN, 0), ("exn_pending", 0), ("exn_take", 0, 0))
    assert seen_by(rust, asked)[1:8] == ["ok", "exn", "ok(True)", "ok(nonnull)", "ok(nonnull)", "ok(False)", "ok(null)"]


def test_a_stale_exception_is_an_error(rust: Executor) -> None:
    asked = program(("scope", 0), ("exn_new", 0, kind("tag", "nothing"), NULL, NULL, 0), ("end",), ("throw", 1))
    assert seen_by(rust, asked)[3] == "err:unrooted"


def ran(executor: Executor, *code: str, exceptions: bool = False, runs: int = 1) -> list[str]:
    """What runs of a body show, and the ops after them."""
    text = f"(body (main (local extern any) {' '.join(code)}))"
    op = "run_exn" if exceptions else "run"
    ops = [(op, 1, 0, RUN_VALUES * at, NULL, NULL, NULL, 7, 1) for at in range(runs)]
    return seen_by(executor, program(("inst", 0), *ops, ("gc", 0), config=Config(bodies=(text,))))[1:]


def test_a_run_shows_its_trace(rust: Executor) -> None:
    seen = ran(
        rust,
        "(set 4 (new)) (see (get 4)) (see (get 0)) (see (to_extern (i31 (i32 -1))))",
        "(see (to_extern (struct.new_default empty))) (note (get 3)) (pass (get 4))",
    )
    assert seen[0] == "ok(0, null, i31:2147483647, object, n:7, nonnull)"


def test_a_trace_marks_what_is_finalized_in_it(rust: Executor) -> None:
    seen = ran(rust, "(global.set 0 (new)) (clear) (gc) (note (i32 -1)) (null extern)")
    assert seen[0] == "ok(f:0, n:-1, null) finalized v0"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("(table.set 0 (i32 99) (get 0))", "trap:table_oob"),
        ("(drop (struct.get box 0 (null box)))", "trap:null_ref"),
        ("(drop (cast box (struct.new_default empty)))", "trap:cast"),
        ("(drop (array.get anys (array.new_default anys (i32 1)) (i32 1)))", "trap:array_oob"),
        ("(drop (array.new_data bytes (i32 60) (i32 5)))", "trap:memory_oob"),
        ("(drop (array.new_default longs (i32 2000000000)))", "trap:too_large"),
        ("(unreachable)", "trap:unreachable"),
    ],
)
def test_traps_have_codes_and_keep_the_trace(rust: Executor, code: str, outcome: str) -> None:
    assert ran(rust, "(note (i32 1))", code, "(get 0)")[0] == f"{outcome}(n:1)"


def test_an_uncaught_exception_stays_pending(rust: Executor) -> None:
    text = "(body (main (note (i32 1)) (throw one (new)) (null extern)))"
    ops = (("inst", 0), ("run_exn", 1, 0, 0, NULL, NULL, NULL, 0, 0), ("exn_take", 0, 0), ("exn_get", 3, 0, EXTERN, 0))
    seen = seen_by(rust, program(*ops, ("data", 4), config=Config(bodies=(text,))))
    assert seen[1:5] == ["exn(n:1)", "ok(nonnull)", "ok(nonnull)", "ok(0, 0)"]


def test_a_run_has_eight_values(rust: Executor) -> None:
    seen = ran(rust, "(repeat 8 (drop (new))) (see (new)) (null extern)", runs=2)
    assert seen[:2] == ["ok(null, null)"] * 2


def test_a_body_is_instantiated_once_for_an_instance(rust: Executor) -> None:
    text = (
        "(body (segment any (i31 (i32 3))) (main (table.init 1 0 (i32 0) (i32 0) (i32 1)) (elem.drop 0) (null extern)))"
    )
    runs = [("run", at, 0, value, NULL, NULL, NULL, 0, 0) for at, value in ((1, 0), (1, 8), (2, 16))]
    seen = seen_by(rust, program(("inst", 0), ("inst", 0), *runs, config=Config(bodies=(text,))))
    assert seen[2:5] == ["ok(null)", "trap:table_oob", "ok(null)"]


def test_exports_alias_what_bodies_see(rust: Executor) -> None:
    text = "(body (main (global.set 5 (struct.new_default empty)) (table.set 0 (i32 3) (new)) (null extern)))"
    ops = (("inst", 0), ("run", 1, 0, 0, NULL, NULL, NULL, 0, 0), ("inst_global", 1, 5), ("global_get_owned", 3))
    more = (("kind", 4), ("inst_table", 1, 0), ("table_get", 5, 3), ("data", 6), ("table_size", 5))
    seen = seen_by(rust, program(*ops, *more, config=Config(bodies=(text,))))
    assert seen[3:9] == ["ok(nonnull)", "ok(struct)", "ok", "ok(nonnull)", "ok(0, 0)", "ok(4)"]
