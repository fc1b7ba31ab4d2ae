"""Bodies run in the model: structs, arrays and segments (docs/bodies.md; wasm-ops.md 6.2, 6.4).

Bounds and nulls are looked at before anything is written.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from twinheap.model.body import Tree
from twinheap.model.entities import Obj, Ref, Stored
from twinheap.model.interpreter import Machine, form, unsigned
from twinheap.model.kit import NUMBERS, Field, ObjectType
from twinheap.model.observation import TRAP
from twinheap.model.run_heap import Trap

DATA: Final = bytes(range(64))
"""The data segment of every body."""
_FLOATS: Final = {"f32": "<f", "f64": "<d"}
"""How bytes become the numbers that have fractions."""


def packed(storage: str, value: Stored) -> Stored:
    """What a field holds after `value` was stored there: packed ones keep their low bits, and are read unsigned."""
    if storage in ("i8", "i16"):
        return unsigned(value) & (0xFF if storage == "i8" else 0xFFFF)
    return value


def _object(value: Stored) -> Obj:
    if not isinstance(value, Obj):
        raise Trap("null_ref")
    return value


def within(start: int, count: int, length: int, code: str) -> None:
    """Traps with `code` where a part reaches behind the end."""
    if start + count > length:
        raise Trap(code)


def _name(tree: Tree, at: int = 1) -> str:
    return str(tree[at])


def number_at(tree: Tree, at: int = 1) -> int:
    """An immediate of a form that is a number."""
    part = tree[at]
    assert isinstance(part, int)
    return part


def _fields(m: Machine, tree: Tree) -> tuple[Field, ...]:
    """The fields of the type that a form names."""
    return m.env.types.objects[_name(tree)].fields


def _element(m: Machine, tree: Tree) -> str:
    return _fields(m, tree)[0].storage


def _elements(m: Machine, tree: Tree, *places: int) -> tuple[int, ...]:
    """The places of the operands that become elements, if those are never null."""
    return () if _fields(m, tree)[0].nullable else places


def _made(m: Machine, tree: Tree) -> str | ObjectType:
    return m.env.types.made(_name(tree))


# --- structs


@form("struct.new")
def _struct_new(m: Machine, tree: Tree) -> Stored:
    fields = _fields(m, tree)
    values = m.operands_of(tree, 2, [at for at, field in enumerate(fields) if not field.nullable])
    cells = [packed(field.storage, value) for field, value in zip(fields, values, strict=True)]
    return m.heap.alloc("struct", _made(m, tree), cells)


@form("struct.new_default")
def _struct_new_default(m: Machine, tree: Tree) -> Stored:
    cells = [None if field.is_reference else 0 for field in _fields(m, tree)]
    return m.heap.alloc("struct", _made(m, tree), cells)


@form("struct.get")
def _struct_get(m: Machine, tree: Tree) -> Stored:
    obj = _object(m.operands_of(tree, 3)[0])
    return _read(m, obj, number_at(tree, 2))


@form("struct.set")
def _struct_set(m: Machine, tree: Tree) -> None:
    strict = () if _fields(m, tree)[number_at(tree, 2)].nullable else (1,)
    obj, value = m.operands_of(tree, 3, strict)
    _write(m, _object(obj), number_at(tree, 2), value)


def _signed(storage: str, value: Stored) -> Stored:
    half = 0x80 if storage == "i8" else 0x8000
    return (unsigned(value) ^ half) - half


@form("struct.get_s")
def _struct_get_s(m: Machine, tree: Tree) -> Stored:
    return _signed(_fields(m, tree)[number_at(tree, 2)].storage, _struct_get(m, tree))


def _read(m: Machine, obj: Obj, at: int) -> Stored:
    value = obj.cells[at]
    if isinstance(value, Obj):
        m.heap.use(value)  # its container was alive until now
    m.heap.read(value, obj.storages[at])
    return value


def _write(m: Machine, obj: Obj, at: int, value: Stored) -> None:
    m.heap.set_cell(obj, at, packed(obj.storages[at], value))


# --- arrays


@form("array.new")
def _array_new(m: Machine, tree: Tree) -> Stored:
    value, length = m.operands_of(tree, 2, _elements(m, tree, 0))
    return m.heap.array_of(_made(m, tree), unsigned(length), packed(_element(m, tree), value))


@form("array.new_default")
def _array_new_default(m: Machine, tree: Tree) -> Stored:
    (length,) = m.operands_of(tree, 2)
    return m.heap.array_of(_made(m, tree), unsigned(length), 0 if _element(m, tree) in NUMBERS else None)


@form("array.new_fixed")
def _array_new_fixed(m: Machine, tree: Tree) -> Stored:
    element, strict = _element(m, tree), _elements(m, tree, *range(len(tree) - 2))
    cells = [packed(element, value) for value in m.operands_of(tree, 2, strict)]
    return m.heap.alloc("array", _made(m, tree), cells)


@form("array.get")
def _array_get(m: Machine, tree: Tree) -> Stored:
    value, index = m.operands_of(tree, 2)
    obj, at = _object(value), unsigned(index)
    within(at, 1, len(obj.cells), "array_oob")
    return _read(m, obj, at)


@form("array.get_s")
def _array_get_s(m: Machine, tree: Tree) -> Stored:
    return _signed(_element(m, tree), _array_get(m, tree))


@form("array.set")
def _array_set(m: Machine, tree: Tree) -> None:
    array, index, value = m.operands_of(tree, 2, _elements(m, tree, 2))
    obj, at = _object(array), unsigned(index)
    within(at, 1, len(obj.cells), "array_oob")
    _write(m, obj, at, value)


@form("array.len")
def _array_len(m: Machine, tree: Tree) -> Stored:
    return len(_object(m.operands_of(tree)[0]).cells)


@form("array.fill")
def _array_fill(m: Machine, tree: Tree) -> None:
    array, index, value, count = m.operands_of(tree, 2, _elements(m, tree, 2))
    number = _fitting(array, index, count)
    m.filled(unsigned(index), number)
    _fill(m, _object(array), unsigned(index), [value] * number)


def _fitting(array: Stored, index: Stored, count: Stored) -> int:
    """`count`, which is in range from `index` on."""
    within(unsigned(index), unsigned(count), len(_object(array).cells), "array_oob")
    return unsigned(count)


def _fill(m: Machine, obj: Obj, start: int, values: Sequence[Stored]) -> None:
    storage = obj.storages[0] if values else ""
    if storage in NUMBERS:
        m.heap.set_numbers(obj, start, [packed(storage, value) for value in values])
        return
    for at, value in enumerate(values, start):
        _write(m, obj, at, value)


@form("array.copy")
def _array_copy(m: Machine, tree: Tree) -> None:
    into, at, from_, start, count = m.operands_of(tree, 3)
    target = _object(into)
    if from_ is None and m.heap.trace.obs.outcome == TRAP + "array_oob":  # which is first is nowhere said (47)
        _fitting(target, at, count)
    source = _object(from_)
    number = _fitting(target, at, count)
    _fitting(source, start, count)
    first = unsigned(start)
    cells = source.cells[first : first + number]
    m.rerooted(cells, _element(m, tree))
    with m.heap.moments.rooting((target, source)) as root:
        steps = range(number) if first > unsigned(at) else reversed(range(number))
        for step in steps:  # an element that is overwritten dies there, unless it was read before
            root(cells[step])
            _write(m, target, unsigned(at) + step, cells[step])


# --- segments


def items_of(m: Machine, number: int, start: int, count: int) -> list[Ref]:
    """A part of a segment, which is empty once it was dropped."""
    segment = m.own.segments[number]
    within(start, count, len(segment.refs), "table_oob")
    m.used_segment(number)
    return segment.refs[start : start + count]


def _make(m: Machine, tree: Tree, start: int, count: int) -> None:
    """A part of a segment is used for an array."""
    for at in range(start, start + count):
        m.used_item(number_at(tree, 2), at)


def _data(storage: str, start: int, count: int) -> list[Stored]:
    """Numbers from the data segment, little-endian; fractions are cut off, as in all that shows a number."""
    width = NUMBERS[storage]
    within(start, count * width, len(DATA), "memory_oob")
    places = range(start, start + count * width, width)
    parts = [DATA[at : at + width] for at in places]
    if code := _FLOATS.get(storage):
        return [int(struct.unpack(code, part)[0]) for part in parts]
    return [int.from_bytes(part, "little") for part in parts]


@form("array.new_elem")
def _array_new_elem(m: Machine, tree: Tree) -> Stored:
    start, count = map(unsigned, m.operands_of(tree, 3))
    items = items_of(m, number_at(tree, 2), start, count)
    _make(m, tree, start, count)
    m.rerooted(items, _element(m, tree), kept=True)
    return m.heap.alloc("array", _made(m, tree), items, by_host=True)


@form("array.new_data")
def _array_new_data(m: Machine, tree: Tree) -> Stored:
    start, count = map(unsigned, m.operands_of(tree, 2))
    return m.heap.alloc("array", _made(m, tree), _data(_element(m, tree), start, count), by_host=True)


@form("array.init_elem")
def _array_init_elem(m: Machine, tree: Tree) -> None:
    array, index, start, count = m.operands_of(tree, 3)
    number = _fitting(array, index, count)
    items = items_of(m, number_at(tree, 2), unsigned(start), number)
    _make(m, tree, unsigned(start), number)
    m.rerooted(items, _element(m, tree), kept=True)
    _fill(m, _object(array), unsigned(index), items)


@form("array.init_data")
def _array_init_data(m: Machine, tree: Tree) -> None:
    array, index, start, count = m.operands_of(tree, 2)
    number = _fitting(array, index, count)
    _fill(m, _object(array), unsigned(index), _data(_element(m, tree), unsigned(start), number))


@form("elem.drop")
def _elem_drop(m: Machine, tree: Tree) -> None:
    m.heap.drop_segment(m.own.segments[number_at(tree)])
