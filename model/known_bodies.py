"""Predicates of known defects of Wasm code (semantics.md 7, wasm-ops.md 6.5, 6.6; docs/findings.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from twinheap.model.body import CACHED, Tree, forms, invokes, names, parse
from twinheap.model.body_env import env_of
from twinheap.model.body_forms import ALLOCATES, EXPRESSIONS, MAKES
from twinheap.model.contents import Cell, Instance, Table
from twinheap.model.kit import KIT_GLOBALS, NUMBERS
from twinheap.model.known_waiting import SAME_VALUE, SEQUENCES, merges, overtakes, rewrites, tried, written_by
from twinheap.model.observation import DEAD
from twinheap.model.ops import CALLS, CODE, END, OPS, Op
from twinheap.model.profiles import IDENTITY_CODES, KNOWN_DEFECTS, Profile
from twinheap.model.program import closing, slots_of
from twinheap.model.roots import CastHandle, LifoHandle, OwnedRoot
from twinheap.model.state import Store

if TYPE_CHECKING:
    from twinheap.model.world import World

NO_INDEX: Final = "called `Option::unwrap()` on a `None` value"
"""The panic text of K16, where an i31 has no index in the heap, and of K11, where a handle has no token."""

RUNS: Final = ("run", "run_exn", "call", "call_exn")
"""The ops that run a body, their second operand."""

_NO_GC: Final = (
    *("Cannot GC inside a no-GC scope", "the len is 0 but the index is 0"),  # from 33 on
    *("const expr: GC heap out of memory", "should be valid: GC heap out of memory"),  # before
)
"""In the panic texts of K21."""

_ILLEGAL: Final = DEAD + "SIGILL"
NO_KIND: Final = "invalid `VMGcKind`"
"""The panic text of K24 where there is something at the index that an i31 looks like."""

_WRITES: Final = frozenset({"active", "table.fill", "table.copy", "table.init", "array.copy", "array.init_elem"})
"""Forms that write through the runtime's own barrier; Wasm's code for the others knows i31."""

_UNCOUNTED: Final = frozenset({"array.new_elem", "array.init_elem", "array.copy"})
"""Forms whose runtime functions read references out of raw values."""

_DECLARED: Final = frozenset({"segment", "active", "global", "const", "table", "table64"})
"""What is made of constant expressions."""

OF_MOVES: Final = frozenset({"K32", "K50"})
"""Defects that do harm only where objects move."""

GUESSED: Final = frozenset({"K24", "K25", "K31", "K35", "K52", "K53", "K63"})
"""Defects that may come to nothing where they are met: what lies at an index, which blocks are neighbours, which
variables share a slot and which places are free is not known."""

_ALONE: Final = {"array.fill": "K26", "table.init": "K33", "active": "K33"}
"""Forms that meet a defect wherever they are."""

_LOOKS: Final = frozenset(
    {"test", "test_null", "cast"} | {"on_cast", "on_cast_fail", "on_cast_null", "on_cast_fail_null"}
)
"""Forms that look up the type of what they are given."""

SMALLEST: Final = frozenset({"empty"})
"""The struct types of the kit whose objects are smaller than the smallest free block of K25: those without fields."""

UNMAPPED: Final = {"select": "K3", "array.new_elem": "K4", "array.new_data": "K4"}
"""Forms whose value the compiler forgot to mark as a reference, with the defect."""

_COLLECTS: Final = ALLOCATES | {"gc", "cb", "call", "call_ref", "call_indirect", "invoke"}


IN_BODIES: Final = frozenset(
    {"K3", "K4", "K15", "K25", "K26", "K28", "K31", "K32", "K33", "K34", "K35", "K50", "K51", "K63"}
)
"""What `unsafe_in` looks for, and `hazards.Watched` then sees."""

_POLL: Final = CODE["poll"]

_TREES: Final = 16 * CACHED
"""Forms of which is kept whether a collection may run in them."""


@lru_cache(maxsize=CACHED)
def unsafe_in(text: str) -> frozenset[str]:
    """The defects K3, K4, K15, K25, K26, K28, K31 to K35 that a body may meet; memory may be used again after them.

    And K63, after which nothing is.

    K3 and K4: a value of theirs waits on the stack while a collection may run. K28: one may run inside a `try`.
    K31: a body has a loop, K32: it reads one of its constants, and a collection may run in it. K34: see `overtakes`
    and `rewrites`, K35: see `merges`.

    >>> unsafe_in("(body (main (drop (struct.new pair (select (get 0) (get 1) (i32 1)) (then (gc) (get 2)))) (get 0)))")
    frozenset({'K3'})
    >>> unsafe_in("(body (main (local extern) (set 4 (select (get 0) (get 1) (i32 1))) (gc) (get 0)))")
    frozenset()
    """
    found: set[str] = set()
    # Those that the body declares: a name, and all else are forms.
    empty = SMALLEST | {form[1] for form in forms(parse(text)) if form[0] == "struct" and _no_fields(form)}
    for form in forms(parse(text)):
        if form[0] in _UNCOUNTED or (form[0] in _DECLARED and any(item[0] in ALLOCATES for item in forms(form))):
            found.add("K15")
        if form[0] in ("struct.new", "struct.new_default") and form[1] in empty:
            found.add("K25")
        if form[0] in _ALONE:
            found.add(_ALONE[str(form[0])])
        if form[0] == "repeat" and fixed_functions(form, frozenset(env_of(text).types.functions)):
            found.add("K63")
        if form[0] == "try" and _may_collect(form):
            found |= {"K28", "K51"} if tried(form) else {"K28"}
        if form[0] == "segment" and sum(any(part[0] in ALLOCATES for part in forms(item)) for item in form[2:]) > 1:  # type: ignore[arg-type]
            found.add("K50")
        if form[0] == "body" and _may_collect(form):
            found |= {"K31"} if any(inner[0] == "repeat" for inner in forms(form)) else set()
            found |= {"K32"} if _reads_constant(form) else set()
        parts = [part for part in form if isinstance(part, tuple)]
        if form[0] in SEQUENCES:
            continue
        for at, part in enumerate(parts):
            if form[0] in MAKES or any(_may_collect(later) for later in parts[at + 1 :]):
                found |= _unmapped(part)
    found |= {"K34"} if overtakes(text, _may_collect) or rewrites(text, _may_collect) else set()
    found |= {"K35"} if merges(text, _may_collect) else set()
    return frozenset(found)


def reached_by(text: str, bodies: tuple[str, ...]) -> tuple[str, ...]:
    """The bodies whose code a run of one may run: its own, and those that give references to functions away."""
    if not invokes(text):
        return (text,)
    return text, *(other for other in bodies if other != text and names(other, "ref.func"))


@lru_cache(maxsize=_TREES)
def fixed_functions(loop: Tree, types: frozenset[str]) -> tuple[Tree, ...]:
    """What a loop calls or looks up the type of, and is the same at each turn: a null, or a variable it does not write.

    `types`: the names of function types.
    """
    written = {at for form in forms(loop) for at in written_by(form)}
    looked: list[Tree] = []
    for form in forms(loop):
        if form[0] == "invoke":
            looked.append(_on_stack(form[-1]))  # type: ignore[arg-type]
        elif form[0] in _LOOKS and form[1] in types:
            looked.append(_on_stack(form[2]))  # type: ignore[arg-type]
    return tuple(form for form in looked if form[0] == "null" or (form[0] == "get" and form[1] not in written))


def _on_stack(form: Tree) -> Tree:
    """The form whose value another one leaves."""
    while form[0] in ("then", "tee"):
        form = form[-1]  # type: ignore[assignment]
    return form


def _no_fields(form: Tree) -> bool:
    return all(isinstance(part, tuple) for part in form[2:])


@lru_cache(maxsize=_TREES)
def _may_collect(form: Tree) -> bool:
    """Whether a collection may run in a form."""
    return any(inner[0] in _COLLECTS for inner in forms(form))


def _reads_constant(body: Tree) -> bool:
    """Whether a body reads one of its constants."""
    declared = [part[0] for part in body[1:] if isinstance(part, tuple) and part[0] in ("global", "const")]
    constants = {str(at) for at, name in enumerate(declared, len(KIT_GLOBALS)) if name == "const"}
    functions = [part for part in body[1:] if isinstance(part, tuple) and part[0] in ("func", "main")]
    return any(form[0] == "global.get" and str(form[1]) in constants for part in functions for form in forms(part))


@lru_cache(maxsize=CACHED)
def unmapped(form: Tree) -> frozenset[str]:
    """The defects of the forms that may give what `form` gives."""
    return frozenset(_unmapped(form))


def may_hurt(text: str, profile: Profile) -> bool:
    """Whether a run of a body may meet a defect that `hazards.Watched` looks for."""
    known = _in_bodies(profile.defects, profile.collector == "copying")
    return bool(known) and not known.isdisjoint(unsafe_in(text))  # the newest releases have none of them


@lru_cache
def _in_bodies(defects: frozenset[str], moves: bool) -> frozenset[str]:
    """Those of a release's defects that bodies may meet: asked for each run. `moves`: whether objects do."""
    return defects & (IN_BODIES if moves else IN_BODIES - OF_MOVES)


def _unmapped(form: Tree) -> set[str]:
    name = str(form[0])
    found = {UNMAPPED[name]} if name in UNMAPPED else set()
    if name in SAME_VALUE and name in EXPRESSIONS:
        for part in form[-1:] if name == "then" else form[1:]:
            if isinstance(part, tuple):
                found |= _unmapped(part)
    return found


def known_in_bodies(w: World, code: str, op: Op) -> str | None:
    """The known defect of Wasm code that explains a verdict: in a run, or on what an earlier run left behind."""
    own: set[str] = set()
    unsafe: set[str] = set()
    stores = _stores(w, op)
    for store in stores:
        unsafe |= store.unsafe
        own |= store.fresh if OPS[op[0]].name in RUNS else set()
    if "K5" in w.profile.defects and code in IDENTITY_CODES and any(store.reused_segments for store in stores):
        return "K5"
    if "K64" in w.profile.defects and code == "TH106" and OPS[op[0]].name in RUNS and _converts(w.bodies[op[2]]):
        return "K64"
    names = [name for name in own | unsafe if code in KNOWN_DEFECTS[name].codes]
    # What the failing op's own body met comes before what lingers.
    return min(names, key=lambda name: (name in GUESSED, name not in own, int(name[1:])), default=None)


def _stores(w: World, op: Op) -> list[Store]:
    """The stores that an op touches: by its slots, or as the end of a scope."""
    touched: list[object] = [w.slots[slot] for _, slot in slots_of(op)]
    if op[0] == END:  # the scope is left by the time that what was finalized is looked at
        touched.append(w.acting)
        touched += w.brackets[-1:]
    if op[0] == _POLL:  # the future has ended
        touched.append(w.acting)
    found = [slot if isinstance(slot, Store) else getattr(slot, "store", None) for slot in touched]
    return [store for store in found if isinstance(store, Store)]


def died_in_body(w: World, op: Op, outcome: str) -> str | None:
    """The known defect of Wasm code that explains how a run ended the process."""
    if OPS[op[0]].name not in RUNS:
        return None
    if "K16" in w.profile.defects and NO_INDEX in outcome:
        writes = any(form[0] in _WRITES for form in forms(parse(w.bodies[op[2]])))
        return "K16" if writes and i31_in_reach(w, op) else None
    if "K21" in w.profile.defects and any(text in outcome for text in _NO_GC) and _may_be_full(w, op):
        return "K21" if _allocating_segment(w.bodies[op[2]]) else None
    return (
        "K24"
        if "K24" in w.profile.defects and (outcome == _ILLEGAL or NO_KIND in outcome) and i31_in_reach(w, op)
        else None
    )


@lru_cache(maxsize=CACHED)
def _converts(text: str) -> bool:
    """Whether a constant expression of a body converts to another hierarchy (K64)."""
    declared = [form for form in forms(parse(text)) if form[0] in _DECLARED]
    return any(inner[0] in ("to_extern", "to_any") for form in declared for inner in forms(form))


@lru_cache(maxsize=CACHED)
def _allocating_segment(text: str) -> bool:
    """Whether an item of a segment allocates."""
    segments = [form for form in forms(parse(text)) if form[0] in _DECLARED]
    return any(item[0] in ALLOCATES for segment in segments for item in forms(segment))


def _may_be_full(w: World, op: Op) -> bool:
    """Whether an object may not have found room at once; a run of a callback may have made any number."""
    stores = _stores(w, op)
    return op[0] in CALLS or any(store.ever > store.bounds.smallest // 2 for store in stores)


def inside(w: World) -> Sequence[Op]:
    """The ops of the callback of the current op, if it has one."""
    return w.ops[w.at + 1 : closing(w.ops, w.at)] if w.ops[w.at][0] in CALLS else ()


def i31_in_reach(w: World, op: Op) -> bool:
    """Whether a run may come by an i31: it makes one, is given one, or finds one in the store, or its callback does."""
    if any(form[0] == "i31" for form in forms(parse(w.bodies[op[2]]))):
        return True
    touched = [w.slots[slot] for each in (op, *inside(w)) for _, slot in slots_of(each)]
    if any(type(held.ref()) is int for held in touched if isinstance(held, LifoHandle | OwnedRoot | CastHandle)):
        return True
    for instance in (held for held in touched if isinstance(held, Instance)):
        cells = [*instance.globals, *(held for held in w.slots if isinstance(held, Cell))]
        tables = [*instance.tables, *(held for held in w.slots if isinstance(held, Table))]
        if any(
            type(ref) is int for ref in (*(cell.ref for cell in cells), *(r for table in tables for r in table.refs))
        ):
            return True
        for obj in instance.store.objects.values():
            pairs = zip(obj.storages, obj.cells, strict=False)
            if any(type(cell) is int and storage not in NUMBERS for storage, cell in pairs):
                return True
    return False
