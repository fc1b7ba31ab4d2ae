"""Runs of bodies in a program, and what happens in the callbacks of those that call back."""

from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import GC, Draft
from twinheap.fuzz.motif_table import read
from twinheap.fuzz.motifs_memory import FREE, fill
from twinheap.fuzz.motifs_slots import GLOBAL_GET, GLOBAL_SET, global_value
from twinheap.fuzz.uniform import uniform_op
from twinheap.fuzz.wasm_instances import (
    INST,
    INST_GLOBAL,
    INST_TABLE,
    LINK,
    argument,
    arguments,
    exported,
    instance,
    limit_runs,
    some_body,
)
from twinheap.model.body import calls_back, features_of
from twinheap.model.kit import SHARES, TAGS
from twinheap.model.ops import CODE, EXN, EXTERN, MAX_DEPTH, NULL, REF_TYPES, UNLIMITED

SELECTORS: Final = (0, 1, 0, 1, 2, 3, 1, 2**31 - 1)
FEW_HANDLES: Final = 9  # of a fill in a callback: one trim
THROWN: Final = 236  # of 256: how a callback ends, counted after what returns or traps
STALE_THROWN: Final = 240
"""Of 256: above it a callback throws by a handle that its scope has left."""
DEEPEST: Final = 4  # callbacks inside callbacks
MOST_INSIDE: Final = 5  # steps of a callback

INST_DROP, MODULES_DROP = CODE["inst_drop"], CODE["modules_drop"]
RUN, RUN_EXN = CODE["run"], CODE["run_exn"]
CALL, CALL_EXN, RESULT = CODE["call"], CODE["call_exn"], CODE["result"]
FILL_RACE, STORE_DROP_RACE = CODE["fill_race"], CODE["store_drop_race"]
ARG, RET, RAISE, RAISE_EXN = CODE["arg"], CODE["ret"], CODE["raise"], CODE["raise_exn"]
EXN_NEW, EXN_TAKE = CODE["exn_new"], CODE["exn_take"]


def run(g: Draft, body: int, arguments: tuple[int, int, int], owned: bool, at: int = -1) -> int:
    """One run of a body, in the instance `at` or any; with a callback if it calls back. Its result, or -1."""
    limit_runs(g)
    if calls_back(g.builder.config.bodies[body]):
        return call(g, body, arguments, owned, at)
    throws = bool(features_of(g.builder.config.bodies[body]))
    selector = SELECTORS[g.upto(8)]
    operands = (at if at >= 0 else instance(g), body, g.builder.next_value, *arguments, selector, int(owned))
    return g.made(RUN_EXN if throws else RUN, operands, owned)


def call(g: Draft, body: int, arguments: tuple[int, int, int], owned: bool, at: int = -1) -> int:
    """A run with a callback; its result, or -1."""
    place = g.place
    operands = (at if at >= 0 else instance(g), body, g.builder.next_value, *arguments, SELECTORS[g.upto(8)])
    throws = bool(features_of(g.builder.config.bodies[body]))
    if len(g.scopes) >= MAX_DEPTH or g.add(CALL_EXN if throws else CALL, operands) is None:
        return -1
    g.scopes.append((place, len(place.lifo)))
    before, before_fills, before_instances = len(place.owned), len(place.fills), len(place.instances)
    _inside(g)
    g.place = place
    g.close_scope()
    place.unsure.update(place.owned[before:])  # the callback may not have run
    back = g.made(RESULT, (int(owned),), owned) if g.byte() < 220 else -1
    _race(g, before_fills)
    if len(place.instances) > before_instances:  # perhaps
        g.add(LINK, (place.instances[-1], g.upto(len(SHARES))))
        if g.byte() < 60:
            g.add((INST_GLOBAL, INST_TABLE)[g.upto(2)], (place.instances[-1], 0))
        if g.byte() < 60:
            g.add(INST_DROP, (place.instances.pop(),))
    return back


def _race(g: Draft, before: int) -> None:
    """A fill of the callback, which may not be there, is freed, or meets another thread."""
    if len(g.place.fills) <= before:
        return
    slot, raced = g.place.slot, g.place.fills[-1]
    if g.byte() > 120:
        g.add(FREE, (raced, g.upto(4)))
        return
    if g.byte() & 1:
        g.add(FILL_RACE, (slot, FEW_HANDLES, g.builder.next_value, raced))
    elif g.new_place(UNLIMITED):
        further, g.place = g.place, next(place for place in g.places if place.slot == slot)
        g.ext(True)
        if g.add(STORE_DROP_RACE, (further.slot, raced)) is not None:
            g.places.remove(further)


def _inside(g: Draft) -> None:
    """What a callback does: mostly something about its argument, a collection, and something to return."""
    given = argument_of_callback(g)
    for _ in range(g.upto(MOST_INSIDE)):
        steps = STEPS if len(g.builder.callbacks) < DEEPEST else STEPS[2:]
        steps[g.upto(len(steps))](g)
    if given >= 0 and g.byte() < 110:
        read(g, given)
    if g.byte() < 150:
        g.add(GC, (g.place.slot,))
    way = g.byte()
    if way < 90:
        g.add(RET, (given if given >= 0 else NULL,))
    elif way < 190:
        g.add(RET, (argument(g, EXTERN),))
    elif way < 200:
        g.add(RAISE, (0,))
    elif way < THROWN:
        throw(g)


def throw(g: Draft) -> None:
    """The callback throws: an exception of the host's, one that Wasm left, or what is pending."""
    way = g.byte()
    if way < 60:
        g.add(RAISE_EXN, (NULL,))
        return
    if way > STALE_THROWN and g.open_scope():
        gone = g.made(EXN_NEW, (g.place.slot, 0, NULL, NULL, 0), False)
        g.close_scope()
        g.add(RAISE_EXN, (gone,))
        return
    handle = g.made(EXN_TAKE, (g.place.slot, 1), True) if way < 120 else g.typed(EXN, 4)
    if handle < 0:
        tag = g.upto(len(TAGS))
        types = (*(REF_TYPES.index(field.storage) for field in TAGS[tag].fields), NULL, NULL)[:2]
        payload = (NULL if type_ == NULL else argument(g, type_) for type_ in types)
        handle = g.made(EXN_NEW, (g.place.slot, tag, *payload, 1), True)
    g.add(RAISE_EXN, (handle,))
    if g.byte() < 100:
        g.drop(handle)
    if g.byte() < 60:
        g.add(GC, (g.place.slot,))


def argument_of_callback(g: Draft) -> int:
    """A root of the argument, mostly."""
    if g.byte() < 50:
        return -1
    owned = g.byte() & 1
    return g.made(ARG, (owned,), bool(owned))


def _call_again(g: Draft) -> None:
    """Down into Wasm once more."""
    result = run(g, some_body(g), arguments(g), g.byte() & 1 == 0)
    if result >= 0 and g.byte() < 90:
        read(g, result)


def _fresh(g: Draft) -> None:
    handle = g.ext(g.byte() & 1 == 0)
    if handle >= 0 and g.byte() < 90:
        g.add(RET, (handle,))


def _forget(g: Draft) -> None:
    """Holders outside the frames go."""
    if g.byte() < 120:
        g.drop(g.owned())
    for slot in g.place.globals[-3:]:
        g.add(GLOBAL_SET, (slot, NULL if g.byte() < 150 else global_value(g, slot)))


def _scoped(g: Draft) -> None:
    if g.open_scope():
        handle = argument_of_callback(g) if g.byte() & 1 else g.ext(False)
        if handle >= 0 and g.byte() < 128:
            read(g, handle)
        g.close_scope()


def _collect(g: Draft) -> None:
    if g.byte() < 8:  # all is compiled anew
        g.add(MODULES_DROP, (g.place.slot,))
    g.add(GC, (g.place.slot,))


def _look(g: Draft) -> None:
    read(g, g.handle())


def _expect(g: Draft) -> None:
    """What code left in a slot before it called."""
    exported(g)
    if g.place.globals:
        read(g, g.made(GLOBAL_GET, (g.place.globals[-1],), False))


def _filled(g: Draft) -> None:
    fill(g, FEW_HANDLES)
    if g.place.fills:
        g.add(FREE, (g.place.fills[-1], g.upto(4)))


def _instantiated(g: Draft) -> None:
    """An instance that is there only if the callback runs."""
    made = g.add(INST, (g.place.slot,))
    if made:
        g.add((INST_GLOBAL, INST_TABLE, LINK)[g.upto(3)], (made[0], 0))
    if made and g.byte() < 120:
        g.place.instances.append(made[0])


STEPS: Final = (
    _call_again,
    _call_again,
    _fresh,
    _forget,
    _scoped,
    _collect,
    _look,
    _expect,
    uniform_op,
    uniform_op,
    _filled,
    _instantiated,
)
"""What happens in callbacks; calls first."""
