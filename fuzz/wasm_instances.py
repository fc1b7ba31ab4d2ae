"""What runs of Wasm need in a program: instances, what they export, arguments, limits."""

from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import Draft
from twinheap.fuzz.motifs_slots import GLOBAL_SET, global_value
from twinheap.model.engines import ENGINES
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, SHARES
from twinheap.model.ops import ANY, ARRAY, CODE, EQ, EXTERN, NULL, STRUCT, UNLIMITED

LIMITED: Final = 200  # of 256: how often a store's limits are set before a run
FUELS: Final = (UNLIMITED, UNLIMITED, 0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 200)
DEADLINES: Final = (UNLIMITED, UNLIMITED, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6)
FEW: Final = 2  # instances of a store
FEW_LINKED: Final = 5  # the same, those counted that are linked with another

INST, INST_GLOBAL, INST_TABLE, LINK = CODE["inst"], CODE["inst_global"], CODE["inst_table"], CODE["link"]
SET_FUEL, SET_EPOCH_DEADLINE = CODE["set_fuel"], CODE["set_epoch_deadline"]
# Static types of handles that will do for a parameter of type any.
LOWER: Final = (ANY, ANY, EQ, STRUCT, ARRAY)


def instance(g: Draft) -> int:
    """An instance of the current store, made if there are few; its globals and tables join those of the store."""
    place = g.place
    if not place.instances or (len(place.instances) < FEW and g.byte() < 12):
        made = g.add(INST, (place.slot,))
        if made:
            place.instances.append(made[0])
            place.allocated = True
    elif len(place.instances) < FEW_LINKED and g.byte() < 16:
        linked(g)
    return g.pick(place.instances)


def linked(g: Draft) -> int:
    """An instance that shares what another one has, or -1."""
    made = g.add(LINK, (g.pick(g.place.instances), g.upto(len(SHARES))))
    g.place.instances += made or ()
    return made[0] if made else -1


def exported(g: Draft) -> None:
    """One more global or table of an instance in the host's hands."""
    if g.byte() < 160:
        made = g.add(INST_GLOBAL, (instance(g), g.upto(len(KIT_GLOBALS))))
        g.place.globals += made or ()
    else:
        made = g.add(INST_TABLE, (instance(g), g.upto(len(KIT_TABLES))))
        g.place.tables += made or ()


def argument(g: Draft, type_: int) -> int:
    """A handle that fits the parameter, or null."""
    found = g.sure(LOWER[g.upto(len(LOWER))] if type_ == ANY else type_)
    if found < 0 or (found in g.place.unsure and g.byte() < 220):
        return NULL if g.byte() & 1 else g.i31(True) if type_ == ANY else g.ext(g.byte() & 1 == 0)
    return found if g.byte() < 240 else NULL


def arguments(g: Draft) -> tuple[int, int, int]:
    """Handles, or null, for the references that a run takes."""
    return argument(g, EXTERN), argument(g, EXTERN), argument(g, ANY)


def limit_runs(g: Draft) -> None:
    """What the next runs may use, mostly said anew: once it is used up, nothing runs any more."""
    engine = ENGINES[g.builder.stores[g.place.slot].engine]
    if engine.limits_runs and g.byte() < LIMITED:
        code, amounts = (SET_FUEL, FUELS) if engine.fuel else (SET_EPOCH_DEADLINE, DEADLINES)
        g.add(code, (g.place.slot, amounts[g.upto(len(amounts))]))


def some_body(g: Draft) -> int:
    """The number of one of the program's bodies."""
    return g.upto(len(g.builder.config.bodies))


def begin_wasm(g: Draft) -> None:
    """How a program with bodies begins: an instance, and perhaps something in its slots."""
    instance(g)
    for _ in range(g.upto(4)):
        exported(g)
    for slot in g.place.globals:
        if g.byte() < 128:
            g.add(GLOBAL_SET, (slot, global_value(g, slot)))
