"""Bodies run in the model: numbers, references, variables, host functions (docs/bodies.md; wasm-ops.md 6.1, 6.3).

Importing this module, `interpreter_objects.py` and `interpreter_tables.py` fills `interpreter.FORMS`.
"""

from __future__ import annotations

import struct
from typing import Final

from twinheap.model.body import Tree
from twinheap.model.entities import I31_MASK, Obj, Ref, Stored
from twinheap.model.holders import closure
from twinheap.model.interpreter import Machine, form
from twinheap.model.ops import REF_TYPES
from twinheap.model.run_heap import Trap
from twinheap.model.run_trace import CALLED, seen

_I31_SIGN: Final = 1 << 30


def wrap32(number: int) -> int:
    """The i32 with the low bits of a number.

    >>> wrap32(2**31), wrap32(-1)
    (-2147483648, -1)
    """
    return (number + 2**31) % 2**32 - 2**31


def _number(tree: Tree) -> int:
    assert isinstance(tree[1], int)
    return tree[1]


def _int(value: Stored) -> int:
    assert isinstance(value, int)
    return value


# --- numbers: floats are kept as the integers that they are


@form("i32", "i64", "f64")
def _literal(_m: Machine, tree: Tree) -> Stored:
    return _number(tree)


@form("f32")
def _single(_m: Machine, tree: Tree) -> Stored:
    return int(struct.unpack("<f", struct.pack("<f", _number(tree)))[0])


@form("add")
def _add(m: Machine, tree: Tree) -> Stored:
    one, other = m.operands_of(tree)
    return wrap32(_int(one) + _int(other))


def _to_i32(number: int, saturates: bool) -> int:
    return max(-(2**31), min(2**31 - 1, number)) if saturates else wrap32(number)


@form("to_i32")
def _convert(m: Machine, tree: Tree) -> Stored:
    operand: Tree = tree[1]  # type: ignore[assignment]
    return _to_i32(_int(m.value(operand)), m.type_of(operand) in ("f32", "f64"))


@form("i31")
def _i31(m: Machine, tree: Tree) -> Stored:
    return _int(m.operands_of(tree)[0]) & I31_MASK


@form("i31.get_u", "i31.get_s")
def _i31_get(m: Machine, tree: Tree) -> Stored:
    ref = m.operands_of(tree)[0]
    if ref is None:
        raise Trap("null_ref")
    payload = _int(ref)
    return payload - 2 * _I31_SIGN if tree[0] == "i31.get_s" and payload & _I31_SIGN else payload


# --- references


@form("null")
def _null(_m: Machine, _tree: Tree) -> Stored:
    return None


@form("is_null")
def _is_null(m: Machine, tree: Tree) -> Stored:
    return int(m.operands_of(tree)[0] is None)


@form("ref_eq")
def _ref_eq(m: Machine, tree: Tree) -> Stored:
    one, other = m.operands_of(tree)
    return int(type(one) is type(other) and one == other)


@form("test")
def _test(m: Machine, tree: Tree) -> Stored:
    ref = m.operands_of(tree, 2)[0]
    return int(ref is not None and m.is_a(ref, tree))


@form("cast")
def _cast(m: Machine, tree: Tree) -> Stored:
    ref = m.operands_of(tree, 2)[0]
    if ref is not None and not m.is_a(ref, tree):
        raise Trap("cast")
    return ref


@form("test_null")
def _test_null(m: Machine, tree: Tree) -> Stored:
    ref = m.operands_of(tree, 2)[0]
    return int(ref is None or m.is_a(ref, tree))


@form("cast_non_null")
def _cast_non_null(m: Machine, tree: Tree) -> Stored:
    ref = m.operands_of(tree, 2)[0]
    if ref is None or not m.is_a(ref, tree):
        raise Trap("cast")
    return ref


@form("on_cast_null", "on_cast_fail_null")
def _on_cast_null(m: Machine, tree: Tree) -> Stored:
    ref = m.value(tree[2])  # type: ignore[arg-type]
    if ref is None or m.is_a(ref, tree):
        return ref
    return m.value(tree[3])  # type: ignore[arg-type]


@form("on_non_null")
def _on_non_null(m: Machine, tree: Tree) -> Stored:
    ref = m.value(tree[1])  # type: ignore[arg-type]
    return m.value(tree[2]) if ref is None else ref  # type: ignore[arg-type]


@form("on_cast", "on_cast_fail")
def _on_cast(m: Machine, tree: Tree) -> Stored:
    ref = m.value(tree[2])  # type: ignore[arg-type]
    if ref is not None and m.is_a(ref, tree):
        return ref
    return m.value(tree[3])  # type: ignore[arg-type]


@form("as_non_null")
def _as_non_null(m: Machine, tree: Tree) -> Stored:
    ref = m.operands_of(tree)[0]
    if ref is None:
        raise Trap("null_ref")
    return ref


@form("to_any", "to_extern")
def _convert_reference(m: Machine, tree: Tree) -> Stored:
    return m.operands_of(tree)[0]


@form("select")
def _select(m: Machine, tree: Tree) -> Stored:
    one, other, condition = m.operands_of(tree)
    return one if condition else other


# --- variables and globals


@form("get")
def _get(m: Machine, tree: Tree) -> Stored:
    return m.variables[_number(tree)]


@form("set", "tee")
def _set(m: Machine, tree: Tree) -> Stored:
    value = m.operands_of(tree, 2)[0]
    m.assign(_number(tree), value)
    return value


@form("set2")
def _set2(m: Machine, tree: Tree) -> None:
    places = _number(tree), int(tree[2])  # type: ignore[arg-type]
    one, other = m.operands_of(tree, 3, [at for at, place in enumerate(places) if place in m.function.strict])
    m.variables[places[1]] = other
    m.variables[places[0]] = one  # last: it may be the same variable


@form("drop")
def _drop(m: Machine, tree: Tree) -> None:
    m.operands_of(tree)


@form("global.get")
def _global_get(m: Machine, tree: Tree) -> Stored:
    cell = m.cell(_number(tree))
    m.heap.read(cell.ref, REF_TYPES[cell.type])
    return cell.ref


@form("global.set")
def _global_set(m: Machine, tree: Tree) -> None:
    m.heap.set_global(m.cell(_number(tree)), m.operands_of(tree, 2)[0])


@form("unreachable")
def _unreachable(_m: Machine, _tree: Tree) -> None:
    raise Trap("unreachable")


# --- host functions

_NOTED: Final = {"ref_eq": "TH103", "is_null": "TH105", "test": "TH104", "test_null": "TH104"}
"""What a wrong number means if it is the answer of such a form."""


def _hosted(ref: Ref) -> Ref:
    """A host function gets or gives a reference (K22); what only a frame knows has let go of what it holds before."""
    if isinstance(ref, Obj):
        for obj in (ref,) if ref.held else closure([ref]):
            obj.hosted = True
    return ref


def _shown(m: Machine, tree: Tree) -> Ref:
    """What a form hands to the host, which sees the store as it is by then."""
    ref: Ref = m.operands_of(tree)[0]
    m.heap.show()
    m.heap.moments.point()
    m.heap.use(ref)
    return ref


@form("see")
def _see(m: Machine, tree: Tree) -> None:
    ref = _shown(m, tree)
    _hosted(ref)
    entry, at_hand = seen(ref), m.heap.trace.next_entry
    value = isinstance(entry, int) and isinstance(at_hand, int)
    code = "TH101" if value else "TH105" if "null" in (entry, at_hand) else "TH104"
    m.heap.trace.expect(entry, code, ref if isinstance(ref, Obj) else None)


@form("note")
def _note(m: Machine, tree: Tree) -> None:
    operand: Tree = tree[1]  # type: ignore[assignment]
    number = m.value(operand)
    m.heap.show()
    m.heap.moments.point()
    m.heap.trace.expect(f"n:{number}", _NOTED.get(str(operand[0]), "TH109"))


@form("gc")
def _gc(m: Machine, _tree: Tree) -> None:
    m.heap.moments.silent_point()
    if m.heap.store.counts:
        m.heap.store.counts.collect()
    else:
        m.heap.store.collected()
    m.heap.store.trimmed()


@form("clear")
def _clear(m: Machine, _tree: Tree) -> None:
    for cell in m.host.globals:
        m.heap.set_global(cell, None)


@form("new")
def _new(m: Machine, _tree: Tree) -> Stored:
    m.heap.moments.silent_point()
    return _hosted(m.heap.new())


@form("cb")
def _cb(m: Machine, tree: Tree) -> Stored:
    ref = _shown(m, tree)
    m.heap.trace.expect(CALLED, "TH106")
    _hosted(ref)
    return _hosted(m.heap.call_back(ref))


@form("pass")
def _pass(m: Machine, tree: Tree) -> Stored:
    ref: Ref = m.operands_of(tree)[0]
    m.heap.use(ref)
    m.heap.store.expose(ref)
    return _hosted(ref)
