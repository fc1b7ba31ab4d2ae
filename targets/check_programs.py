"""The programs with which an executor is checked: what any heap must do, whatever its collector (semantics.md 3, 4).

A check is a generator: it yields programs, is sent their observations, and raises CheckFailed. If the executor lacks
the ops, it yields a sentence instead.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final

from twinheap.model.builder import Builder
from twinheap.model.observation import OK, OOM, SKIP, Observation
from twinheap.model.ops import CODE
from twinheap.model.program import Config, Program

Seen = tuple[Observation, ...]
Asking = Generator[Program | str, Seen, None]


class CheckFailed(Exception):
    """The executor did something else. The text is one line."""


def expect(right: bool, otherwise: str) -> None:
    """Raises CheckFailed with the text `otherwise` unless `right`."""
    if not right:
        raise CheckFailed(otherwise)


class _Draft:
    """A program in the making, of what the executor supports."""

    def __init__(self, ops: frozenset[str], config: Config | None = None) -> None:
        self.ops = ops
        self.builder = Builder(config)
        self.owned = "ext_new_owned" in ops

    def add(self, name: str, *operands: int) -> int:
        """Adds an op; gives its index in the program."""
        outs = self.builder.add(CODE[name], operands)
        assert outs is not None, name
        return len(self.builder.ops) - 1

    def new(self) -> int:
        """Adds an allocation; gives the handle's slot."""
        self.add("ext_new_owned" if self.owned else "ext_new", 0, self.builder.next_value)
        return self.builder.ops[-1][3]

    def finish(self) -> Program:
        return self.builder.finish()


def _lacks(ops: frozenset[str], *wanted: str) -> str | None:
    """A sentence if the executor cannot allocate, or lacks one of `wanted`."""
    missing = [name for name in wanted if name not in ops]
    if not ops & {"ext_new", "ext_new_owned"}:
        missing.insert(0, "ext_new_owned")
    return f"not checked: it has no {' and no '.join(missing)}" if missing else None


def smallest(ops: frozenset[str], pad: int = 1) -> Program:
    """A program that every executor can run, with `pad` ops before its tail."""
    draft = _Draft(ops)
    for _ in range(pad):
        draft.add("sync", 0)
    return draft.finish()


def _where(program: Program, seen: Seen) -> dict[int, int]:
    """The index of the op in which each value was finalized. Fails if one was finalized twice."""
    where: dict[int, int] = {}
    for at, one in enumerate(seen):
        for value in one.finalized:
            expect(value not in where, f"value {value} is finalized in op {where.get(value)} and again in op {at}")
            where[value] = at
    return where


def _keeps_what_is_held(ops: frozenset[str]) -> Asking:
    """A value that a handle holds is there, is itself, and is finalized by the store's end."""
    if reason := _lacks(ops, "data"):
        yield reason
        return
    draft = _Draft(ops)
    handles = [draft.new() for _ in range(3)]
    draft.add("gc", 0)
    looks = [draft.add("data", handle) for handle in handles]
    program = draft.finish()
    seen = yield program
    for value, at in enumerate(looks):
        expect(seen[at].outcome == OK, f"data of a live handle gives {seen[at]}")
        expect(seen[at].values == (value, 0), f"data of value {value} gives {seen[at]}, not ok({value}, 0)")
    where = _where(program, seen)
    end = len(program.all_ops) - 1
    expect(sorted(where) == [0, 1, 2], f"finalized by the end of the store: {sorted(where)}, not 0, 1, 2")
    expect(min(where.values()) > looks[-1], "a value is finalized while a handle holds it")
    if draft.owned:
        expect(set(where.values()) == {end}, "a value that an owned handle holds is finalized before store_drop")


def _gives_back(ops: frozenset[str]) -> Asking:
    """What nothing holds any more is finalized once: at the latest by the collection, with null by the store's end."""
    if reason := _lacks(ops, "ext_new_owned", "odrop"):
        yield reason
        return
    draft = _Draft(ops)
    dropped, _ = draft.new(), draft.new()
    at = draft.add("odrop", dropped)
    draft.add("gc", 0)
    program = draft.finish()
    seen = yield program
    where = _where(program, seen)
    expect(sorted(where) == [0, 1], f"finalized by the end of the store: {sorted(where)}, not 0, 1")
    expect(where[0] >= at, "a value is finalized before its handle is dropped")
    expect(where[1] == len(program.all_ops) - 1, "a value that an owned handle holds is finalized before store_drop")


def _refuses_over_the_limit(ops: frozenset[str]) -> Asking:
    """Under a limit of 0 nothing fits; the value is finalized at once, and its handle's slot stays empty."""
    if reason := _lacks(ops, "data"):
        yield reason
        return
    draft = _Draft(ops, Config(limit=0))
    handle = draft.new()
    look = draft.add("data", handle)
    program = draft.finish()
    seen = yield program
    if seen[0].outcome == OK:
        yield "not checked: its limit does not govern the heap"
        return
    expect(seen[0].outcome == OOM, f"an allocation under a limit of 0 gives {seen[0]}, not {OOM}")
    expect(seen[0].finalized == (0,), "the value of a failed allocation is not finalized in the same op")
    expect(seen[look].outcome == SKIP, f"an op on an empty slot gives {seen[look]}, not {SKIP}")


def _starts_afresh(ops: frozenset[str]) -> Asking:
    """A program does not notice those that ran before it."""
    if reason := _lacks(ops, "data"):
        yield reason
        return
    draft = _Draft(ops)
    draft.add("data", draft.new())
    program = draft.finish()
    first = yield program
    second = yield program
    third = yield program
    expect(first == second == third, "a program that is run three times gives different observations")


SEMANTIC_CHECKS: Final[dict[str, Callable[[frozenset[str]], Asking]]] = {
    "keeps what is held": _keeps_what_is_held,
    "gives back what is not": _gives_back,
    "refuses over the limit": _refuses_over_the_limit,
    "starts each program afresh": _starts_afresh,
}
