"""Single ops drawn uniformly over the vocabulary: what keeps every sequence within reach of the generator."""

from __future__ import annotations

from typing import Final

from twinheap.fuzz.draft import Draft
from twinheap.model.ops import CALLS, CODE, END, EXTERN, INT_KINDS, NULL, OPS, OpSpec

# Brackets, stores and the op that ends a program are structure, which motifs take care of. Fills are expensive.
_STRUCTURE: Final = ("scope", "store_new", "store_new_in", "store_drop", "store_drop_race", "wrong_store")
_EXPENSIVE: Final = ("modules_drop", "array_new_huge", "pool_fill")  # all is compiled anew; K10 takes seconds
LEFT_OUT: Final = frozenset({END, *CALLS, *(CODE[name] for name in (*_STRUCTURE, *_EXPENSIVE))})
SMALL_FILL: Final = 20  # objects
UNIFORM_OPS: Final = tuple(spec for spec in OPS if spec.code not in LEFT_OUT)
_PENDING: Final = frozenset({CODE["new_async"], CODE["gc_async"]})
_RISKY: Final = frozenset({CODE["conv_ext"], CODE["conv_ext_owned"], CODE["from_imm"], CODE["from_imm_owned"]})


def uniform_op(g: Draft) -> None:
    """Any op on anything of its kinds, mostly of the current store."""
    spec = UNIFORM_OPS[g.byte() * len(UNIFORM_OPS) >> 8]
    if spec.code in _RISKY and not g.ready_for_i31(EXTERN):
        return
    keep = g.byte() & 1 == 0
    made = g.add(spec.code, [_operand(g, spec, at) for at in range(len(spec.params))], keep)
    if made is None:
        return
    if spec.code in _PENDING:  # or else all that follows on this store is dropped
        if g.byte() & 1:
            g.add(CODE["poll"], (made[0], 0))
        else:
            g.add(CODE["cancel"], made[:1])
    _keep(g, spec, made)


def _operand(g: Draft, spec: OpSpec, at: int) -> int:
    param = spec.params[at]
    kind = param.kind
    if param.optional and g.byte() < 64:
        return NULL
    if kind == "H":
        return g.handle()
    if kind == "L":
        return g.lifo()
    if kind == "O":
        return g.owned()
    if kind == "S":
        return g.place.slot
    if kind == "V":
        return g.builder.next_value
    if kind in g.builder.pools:
        return g.pick(g.builder.pools[kind])
    rule = INT_KINDS[kind]
    if kind == "many":
        return 1 + g.upto(SMALL_FILL)
    return rule.edges[g.byte() * len(rule.edges) >> 8]


def _keep(g: Draft, spec: OpSpec, made: tuple[int, ...]) -> None:
    """Results go where motifs look for them; what was consumed leaves."""
    place = g.place
    pools = {
        "L": place.lifo,
        "O": place.owned,
        "G": place.globals,
        "T": place.tables,
        "F": place.fills,
        "X": place.errors,
        "I": place.instances,
    }
    for slot in made:
        kind = g.builder.slots[slot].kind if slot != NULL else ""
        if kind in pools:
            pools[kind].append(slot)
    place.owned = [slot for slot in place.owned if g.builder.slots[slot].alive]
    place.instances = [slot for slot in place.instances if g.builder.slots[slot].alive]
