"""Resources (semantics 2.3, K8): roots that come and go make nothing grow, on the model and on the in-tree heap."""

from __future__ import annotations

import pytest

from twinheap.model.judge import judge
from twinheap.model.observation import Observation
from twinheap.model.ops import CHURNED_OBJECTS, CHURNED_WAYS, INT_KINDS
from twinheap.model.profiles import Profile, profile_for
from twinheap.model.text import loads
from twinheap.model.view import ALL_OPS, view
from twinheap.targets.heap.machine import HeapMachine
from twinheap.targets.registry import COLLECTORS

CHURNS = INT_KINDS["churn"].names
NULL = Profile("wasmtime", (43, 0, 0), "null", False, frozenset())
DRC = Profile("wasmtime", (43, 0, 0), "drc", False, frozenset())


def codes(machine: HeapMachine, text: str) -> list[str]:
    """The verdicts on a program that runs on the in-tree heap."""
    program = loads(f"twinheap program 1\n{text}\n").program
    hello = machine.hello()
    profile = profile_for(hello.runtime, hello.release, hello.collector, hello.exact)
    return [verdict.code for verdict in judge(program, machine.run(program), profile)]


def judged(text: str, observed: list[Observation], profile: Profile) -> list[str]:
    return [verdict.code for verdict in judge(loads(f"twinheap program 1\n{text}\n").program, observed, profile)]


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("what", CHURNS)
@pytest.mark.parametrize("heap", [False, True])
def test_nothing_grows(collector: str, what: str, heap: bool) -> None:
    before = "L1 = ext_new S0 v0\n" if heap else ""
    assert codes(HeapMachine(collector), f"{before}churn S0 {what} 3000\nO2 = ext_new_owned S0 v1") == []


@pytest.mark.parametrize("collector", COLLECTORS)
@pytest.mark.parametrize("what", ["i31", "clone", "global"])
def test_without_trims_the_owned_roots_of_a_store_without_heap_pile_up(collector: str, what: str) -> None:
    machine = HeapMachine(collector, defects=frozenset({"k8"}))
    assert codes(machine, f"churn S0 {what} 3000") == ["TH501"]
    assert codes(machine, f"L1 = ext_new S0 v0\nchurn S0 {what} 3000") == []


@pytest.mark.parametrize("collector", COLLECTORS)
def test_trims_without_a_heap_are_predicted(collector: str) -> None:
    # A cast of an owned root is stale from the trim on, whose moment exact mode knows: before the ninth creation.
    many = "".join(f"O{n} = i31_new_owned S0 {n}\nodrop O{n}\nkind L2\n" for n in range(3, 30))
    assert (
        codes(HeapMachine(collector, verify=True), f"O1 = i31_new_owned S0 7\nL2 = cast O1 eq\nodrop O1\n{many}") == []
    )


def test_what_churn_frees_besides_is_judged() -> None:
    text = "O1 = ext_new_owned S0 v0\nodrop O1\nO2 = ext_new_owned S0 v1\nchurn S0 extern 10"
    end = [Observation("ok"), Observation("ok"), Observation("ok", (), (1,))]
    right = Observation("ok", (0,), (0,))
    made = [Observation("ok")] * 3
    assert judged(text, [*made, right, *end], DRC) == []
    assert judged(text, [*made, Observation("ok", (0,), (0, 1)), *end], DRC) == ["TH201"]
    assert judged(text, [*made, Observation("ok", ()), *end], DRC) == ["TH109"]
    assert judged(text, [*made, Observation("err:oom", (0,)), *end], DRC) == ["TH109"]


@pytest.mark.parametrize("what", CHURNED_OBJECTS)
def test_objects_that_leave_something_beside_the_heap_are_told(what: str) -> None:
    text = f"churn S0 {what} 1000"
    end = [Observation("ok")] * 3
    assert judged(text, [Observation("ok", (500,)), *end], DRC) == []
    assert judged(text, [Observation("ok", (64_000,)), *end], DRC) == ["TH501"]
    assert judged(text, [Observation("ok", (64_000,)), *end], NULL) == []  # the heap itself grows, and may


@pytest.mark.parametrize("collector", ["drc", "null"])
@pytest.mark.parametrize("what", CHURNED_WAYS)
def test_calls_casts_and_reads_in_a_store_that_stays_leave_nothing(collector: str, what: str) -> None:
    text, profile = f"churn S0 {what} 1000", {"drc": DRC, "null": NULL}[collector]
    end = [Observation("ok")] * 3
    assert judged(text, [Observation("ok", (500,)), *end], profile) == []
    assert judged(text, [Observation("ok", (64_000,)), *end], profile) == ["TH501"]
    assert judged(text, [Observation("trap:cast", ()), *end], profile) == ["TH109"]


def test_what_calls_got_takes_room_where_nothing_is_collected() -> None:
    text = "S0: limit=65536\nF1 = fill S0 4094 v0\nchurn S0 call 10\nO2 = ext_new_owned S0 v4094"
    full = [
        Observation("ok", (4094,)),
        Observation("ok", (0,)),
        Observation("err:oom", (), (4094,)),
        *[Observation("ok")] * 2,
    ]
    assert judged(text, [*full, Observation("ok", (), tuple(range(4094)))], NULL) == []
    text = text.replace("4094", "2046")
    full = [
        Observation("ok", (2046,)),
        Observation("ok", (0,)),
        Observation("err:oom", (), (2046,)),
        *[Observation("ok")] * 2,
    ]
    assert judged(text, [*full, Observation("ok", (), tuple(range(2046)))], DRC) == ["TH301"]


@pytest.mark.parametrize("what", CHURNED_WAYS)
def test_other_ways_are_churned_where_there_are_any(what: str) -> None:
    program = loads(f"twinheap program 1\nchurn S0 {what} 1000\nchurn S0 i31 1000\n").program
    assert [len(view(program, ALL_OPS - lacking)) for lacking in (set(), {CHURNED_WAYS[what]})] == [2, 1]


@pytest.mark.parametrize("what", CHURNED_OBJECTS)
def test_objects_are_churned_where_the_host_can_make_them(what: str) -> None:
    program = loads(f"twinheap program 1\nchurn S0 {what} 1000\nchurn S0 i31 1000\n").program
    able = view(program, ALL_OPS - {name for name in CHURNED_OBJECTS.values() if name != CHURNED_OBJECTS[what]})
    unable = view(program, ALL_OPS - {CHURNED_OBJECTS[what]})
    assert (len(able), len(unable)) == (2, 1)


def test_room_that_churned_objects_took_is_not_asked_back_where_nothing_is_collected() -> None:
    text = "S0: limit=65536\nchurn S0 array 5000\nO1 = ext_new_owned S0 v0"
    full = [Observation("ok", (0,)), Observation("err:oom", (), (0,)), *[Observation("ok")] * 3]
    assert judged(text, full, NULL) == []
    assert judged(text, full, DRC) == ["TH301"]


def test_where_nothing_is_collected_churn_takes_room() -> None:
    text = "S0: limit=65536\nchurn S0 extern 5000\nO1 = ext_new_owned S0 v0"
    full = [Observation("ok", (40_000,)), Observation("err:oom", (), (0,)), *[Observation("ok")] * 3]
    assert judged(text, full, NULL) == []
    assert judged(text, full, DRC) == ["TH301"]


@pytest.mark.parametrize(("early", "outcome"), [(True, "err:unrooted"), (False, "ok")])
def test_a_collection_in_increments_trims_when_it_begins(early: bool, outcome: str) -> None:
    collect, drop = "P4 = gc_async S0\n", "odrop O1\n"
    text = "O1 = i31_new_owned S0 7\nL2 = cast O1 eq\nL3 = ext_new S0 v0\n"
    text += drop + collect if early else collect + drop
    machine = HeapMachine("drc", verify=True)
    program = loads(f"twinheap program 1\n{text}poll P4 0\nkind L2\n").program
    seen = machine.run(program)
    assert seen[len(program.ops) - 1].outcome == outcome
    assert codes(HeapMachine("drc", verify=True), f"{text}poll P4 0\nkind L2") == []


POOL = """S0: limit=none limiter=plain engine=pooling
O1 = ext_new_owned S0 v0
pool_fill S0
S2 = store_new none plain
O3 = ext_new_owned S2 v1
pool_fill S2
store_drop S2
pool_fill S0"""


@pytest.mark.parametrize("collector", COLLECTORS)
def test_a_pool_has_as_many_heaps_as_stores_do_not_have(collector: str) -> None:
    """Also after all were taken, and after stores ended; other engines have room for all that ask."""
    assert codes(HeapMachine(collector), POOL) == []
    assert codes(HeapMachine(collector), "pool_fill S0\nS1 = store_new_in pooling none plain\npool_fill S1") == []


@pytest.mark.parametrize(
    ("third", "last"),
    [((15, False), (15, True)), ((17, True), (15, True)), ((15, True), (14, True)), ((15, True), (18, True))],
)
def test_a_pool_that_loses_heaps_is_found(third: tuple[int, bool], last: tuple[int, bool]) -> None:
    """None again where there must be one; more than there are; one fewer than before; and all that were asked for."""
    ok, full = Observation("ok"), Observation("ok", (15, True))
    seen = [ok, Observation("ok", third), ok, ok, Observation("ok", (14, True)), Observation("ok", (), (1,))]
    end = [ok, ok, Observation("ok", (), (0,))]
    assert "TH502" in judged(POOL, [*seen, Observation("ok", last), *end], DRC)
    assert judged(POOL, [ok, full, *seen[2:], full, *end], DRC) == []
