"""Bodies run in the model: tables (docs/bodies.md; wasm-ops.md 6.2).

Bounds are looked at before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from twinheap.model.body import Tree
from twinheap.model.contents import Table, offered
from twinheap.model.entities import Ref, Stored
from twinheap.model.interpreter import Machine, form, unsigned
from twinheap.model.interpreter_objects import items_of, number_at, within
from twinheap.model.ops import REF_TYPES
from twinheap.model.run_heap import Trap


def _table(m: Machine, tree: Tree, at: int = 1) -> Table:
    return m.table(number_at(tree, at))


def _operands(m: Machine, tree: Tree, place: int) -> list[Stored]:
    """The operands of a form that writes into a table; that at `place` must not be null if its elements are not."""
    return m.operands_of(tree, 2, (place,) if m.scope.table(number_at(tree, 1)).strict else ())


def _replace(m: Machine, table: Table, start: int, refs: Sequence[Ref]) -> None:
    for at, ref in enumerate(refs, start):
        m.heap.set_element(table, at, ref)


@form("table.get")
def _table_get(m: Machine, tree: Tree) -> Stored:
    table, index = _table(m, tree), unsigned(m.operands_of(tree, 2)[0])
    within(index, 1, len(table.refs), "table_oob")
    m.heap.read(table.refs[index], REF_TYPES[table.type])
    return table.refs[index]


@form("table.set")
def _table_set(m: Machine, tree: Tree) -> None:
    index, ref = _operands(m, tree, 1)
    table = _table(m, tree)
    within(unsigned(index), 1, len(table.refs), "table_oob")
    m.heap.set_element(table, unsigned(index), ref)


@form("table.size")
def _table_size(m: Machine, tree: Tree) -> Stored:
    return len(_table(m, tree).refs)


@form("table.grow")
def _table_grow(m: Machine, tree: Tree) -> Stored:
    ref, delta = _operands(m, tree, 0)
    table = _table(m, tree)
    size = len(table.refs)
    if not delta or size + unsigned(delta) > table.maximum:
        offered(ref)
    if size + unsigned(delta) > table.maximum:
        return -1
    m.heap.grow(table, unsigned(delta), ref)
    return size


@form("table.fill")
def _table_fill(m: Machine, tree: Tree) -> None:
    index, ref, count = _operands(m, tree, 1)
    table = _table(m, tree)
    if unsigned(index) + unsigned(count) > len(table.refs):
        offered(ref)
        raise Trap("table_oob")
    _replace(m, table, unsigned(index), [ref] * unsigned(count))


@form("table.copy")
def _table_copy(m: Machine, tree: Tree) -> None:
    into, from_ = _table(m, tree), _table(m, tree, 2)
    at, start, count = map(unsigned, m.operands_of(tree, 3))
    within(at, count, len(into.refs), "table_oob")
    within(start, count, len(from_.refs), "table_oob")
    if into is from_ and at == start:
        return  # nothing at all happens (6.2)
    refs = from_.refs[start : start + count]
    backwards = into is from_ and at > start
    for step in reversed(range(count)) if backwards else range(count):
        m.heap.set_element(into, at + step, refs[step])


@form("table.init")
def _table_init(m: Machine, tree: Tree) -> None:
    at, start, count = map(unsigned, m.operands_of(tree, 3))
    table = _table(m, tree)
    within(at, count, len(table.refs), "table_oob")
    items = items_of(m, number_at(tree, 2), start, count)
    m.initialized(items, kept=True)
    for place, ref in enumerate(items):  # one by one: what was written before one that does not fit stays
        m.used_item(number_at(tree, 2), start + place)
        m.heap.set_element(table, at + place, ref)
