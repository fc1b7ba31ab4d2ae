"""Expressions of random bodies, by the type that is wanted; `bodies_ways.py` has the ways to make them.

`exact` gives an expression of one static type, `value` of that or a type below it. Operands after a reference may be
wrapped in `(then ... E)` with a collection in it, so that the reference waits on the operand stack meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import cache
from typing import Final

from twinheap.fuzz.bodies_frame import (
    KIT_UNDER,
    MOST_LOCALS,
    NUMERIC,
    SELECTOR,
    TRIES,
    Helper,
    Maker,
    is_reference,
    operand_type,
)
from twinheap.model.body import Tree
from twinheap.model.declared import KIT_ONLY
from twinheap.model.kit import Field

Way = Callable[[Maker, str, int], Tree | None]
WAYS: Final[list[tuple[str, str, float, Way]]] = []
"""The ways to make a value: for which types, of which feature, how often, how."""

DEPTH: Final = 3  # nesting of the operands that make a value
NUMBERS: Final = (0, 1, 2, 3, 7, 127, 200, -1, 0x3FFFFFFF, 0x40000000, -0x40000000, 0x7FFFFFFF)


def way(types: str, weight: float, feature: str = "") -> Callable[[Way], Way]:
    """Registers a way to make values of `types`: a type, or a class of them."""

    def register(make: Way) -> Way:
        WAYS.append((types, feature, weight, make))
        return make

    return register


def _is_in(type_: str, class_: str) -> bool:
    match class_:
        case "ref":
            return is_reference(type_)
        case "number":
            return type_ in NUMERIC
        case "lower":
            return type_ in KIT_UNDER and type_ != "any"
        case "made":
            return type_ in KIT_ONLY.objects
        case _:
            return type_ == class_


def _known_as(m: Maker, type_: str) -> str:
    """A type of which the ways to make a value are those of `type_`: declared ones are as those of the kit."""
    if is_reference(type_) and m.types.top_of(type_) == "func":
        return "func"
    return DECLARED if type_ in m.types.declared or m.types.identity(type_) != type_ else type_


DECLARED: Final = "sub"
"""A type of the kit for which no way is registered by name."""


def value(m: Maker, wanted: str, depth: int = DEPTH) -> Tree:
    """An expression that will do where `wanted` is."""
    return exact(m, _below(m, wanted), depth)


def _below(m: Maker, wanted: str) -> str:
    if wanted == "func" and m.types.functions and m.chance(110):
        return m.pick(tuple(m.types.functions))
    if wanted not in m.under or (wanted in ("any", "eq") and m.chance(60)):
        return wanted
    usual = {*m.structs, *m.arrays, "i31"} if m.chance(220) else m.under
    options = [type_ for type_ in m.under[wanted] if type_ in usual]
    return m.pick(options) if options else wanted


def exact(m: Maker, type_: str, depth: int = DEPTH) -> Tree:
    """An expression whose static type is `type_`."""
    if depth <= 0 or m.left <= 0:
        return leaf(m, type_)
    ways = [(weight, make) for feature, weight, make in _ways(_known_as(m, type_)) if m.has(feature)]
    for _ in range(TRIES):
        made = m.weighted(ways)(m, type_, depth - 1)
        if made is not None:
            m.left -= 1
            return made
    return leaf(m, type_)


@cache
def _ways(type_: str) -> list[tuple[str, float, Way]]:
    """The ways to make a value of a type, whatever a body is about. `WAYS` is complete once it is asked for."""
    return [(feature, weight, make) for class_, feature, weight, make in WAYS if _is_in(type_, class_)]


def leaf(m: Maker, type_: str) -> Tree:
    """The smallest that there is."""
    if type_ in NUMERIC:
        variables = m.variables(type_)
        return ("get", m.pick(variables)) if variables and m.chance(80) else (type_, m.pick(NUMBERS))
    variables = m.known(type_) or m.variables(type_)
    if variables and m.chance(220):
        return ("get", m.pick(variables))
    slots = [k for k, found in enumerate(m.all_globals()) if found == type_]
    if slots and m.chance(200):
        return ("global.get", m.pick(slots))
    if type_ == "i31":
        return ("i31", ("i32", m.pick(NUMBERS)))
    functions = referable(m, type_)
    if functions and m.chance(220):
        return ("ref.func", m.pick(functions))
    if (type_ in m.struct_of or type_ in m.array_of) and m.chance(200):
        return small(m, type_)
    return ("null", type_)


def referable(m: Maker, type_: str) -> list[int]:
    """The helpers to which references are of exactly this static type."""
    if type_ != "func" and type_ not in m.types.functions:
        return []
    return [at for at, helper in enumerate(m.helpers) if (helper.type or "func") == type_ and not helper.throws]


def small(m: Maker, type_: str) -> Tree:
    """A new struct or array of exactly this type, of the smallest expressions that there are."""
    if type_ in m.array_of:
        if m.has_default(type_):
            return ("array.new_default", type_, ("i32", m.upto(4)))
        return ("array.new", type_, something(m, m.element(type_).storage), ("i32", m.upto(4)))
    if m.has_default(type_):
        return ("struct.new_default", type_)
    fields = m.struct_of[type_].fields
    return (
        "struct.new",
        type_,
        *(
            leaf_of(m, operand_type(field.storage)) if field.has_default else something(m, field.storage)
            for field in fields
        ),
    )


def leaf_of(m: Maker, type_: str) -> Tree:
    """The smallest expression that depends on no variable."""
    return (type_, m.pick(NUMBERS)) if type_ in NUMERIC else ("null", type_)


def something(m: Maker, type_: str) -> Tree:
    """The smallest expression that will do where `type_` is wanted, and is never null."""
    if type_ in m.struct_of or type_ in m.array_of:
        return small(m, type_)
    if type_ == "extern":
        return ("to_extern", ("i31", ("i32", m.pick(NUMBERS))))
    if type_ in ("struct", "array"):
        return small(m, "empty" if type_ == "struct" else "bytes")
    return ("i31", ("i32", m.pick(NUMBERS)))


# --- operands


def later(m: Maker, tree: Tree) -> Tree:
    """An operand that comes after a reference, sometimes with a collection before it."""
    if m.left > 0 and m.has("frames") and m.chance(100):
        m.left -= 1
        return ("then", *pause(m), tree)
    return tree


def operands(m: Maker, types: Sequence[str], depth: int, strict: Container[int] = ()) -> list[Tree]:
    """Operands of these types, in order; those in the places of `strict` are probably not null."""
    made: list[Tree] = []
    held = False
    for at, type_ in enumerate(types):
        tree = content(m, type_, depth, at in strict)
        made.append(later(m, tree) if held else tree)
        held = held or is_reference(type_)
    return made


def content(m: Maker, type_: str, depth: int, strict: bool) -> Tree:
    """An operand of a type, which is probably not null if it should not be."""
    if not strict:
        return value(m, type_, depth)
    return present(m, type_, depth) if depth > 0 and m.left > 0 else something(m, type_)


def filled(m: Maker, field: Field, depth: int) -> Tree:
    """What goes into a field or element."""
    return content(m, operand_type(field.storage), depth, not field.has_default)


def present(m: Maker, type_: str, depth: int) -> Tree:
    """An expression that will do where `type_` is wanted, and is probably not null."""
    if m.chance(6):
        return value(m, type_, depth)
    if type_ in m.struct_of or type_ in m.array_of:
        return object_(m, type_, depth)
    if type_ == "i31":
        return ("i31", ("i32", m.pick(NUMBERS)))
    if type_ == "extern":
        return ("new",) if m.fresh() else ("to_extern", small(m, m.structs[0]))
    return make_object(m, m.arrays[0] if type_ == "array" else m.structs[0], depth - 1)


def arguments(m: Maker, helper: Helper, depth: int) -> list[Tree]:
    """The operands of a call."""
    made: list[Tree] = []
    held = False
    for at, type_ in enumerate(helper.params):
        tree = present(m, type_, depth) if at in helper.strict else value(m, type_, depth)
        made.append(later(m, tree) if held else tree)
        held = held or is_reference(type_)
    return made


def element(m: Maker, number: int, depth: int) -> Tree:
    """What becomes an element of a table."""
    table = m.all_tables()[number]
    return present(m, table.type, depth) if table.strict else value(m, table.type, depth)


def pause(m: Maker) -> list[Tree]:
    """Statements that a reference on the operand stack has to survive: holders go, then a collection."""
    if m.has("callbacks") and m.chance(110) and m.charge(2):
        return [called(m)]
    if not m.charge(2):
        return [("drop", small(m, m.pick(m.structs)))]
    forgetting: list[Tree] = []
    if m.chance(120):
        forgetting.append(("clear",))
    elif m.chance(120):
        slot = m.pick(m.settable())
        forgetting.append(("global.set", slot, ("null", m.all_globals()[slot])))
    elif m.chance(80):
        number = m.some_table()
        table = m.all_tables()[number]
        if table.length and not table.strict:
            forgetting.append(("table.set", number, ("i32", m.upto(table.length)), ("null", table.type)))
    if m.chance(80):
        forgetting.append(overwritten(m))
    after: list[Tree] = []
    if m.chance(80):  # what was freed is used again
        after.append(("drop", small(m, m.pick(m.structs))))
    return [*forgetting, collection(m), *after]


def overwritten(m: Maker) -> Tree:
    """A variable gets another value, while the one before may wait on the operand stack."""
    strict = m.here.strict
    references = [at for at, type_ in enumerate(m.here.types) if is_reference(type_) and at not in strict]
    if not references:
        return ("drop", small(m, m.pick(m.structs)))
    variable = m.pick(references)
    type_ = m.here.types[variable]
    m.learn(variable, None)
    if type_ == "extern" and m.fresh():
        return ("set", variable, ("new",))
    return ("set", variable, small(m, type_) if type_ in m.struct_of and m.chance(128) else ("null", type_))


def collection(m: Maker) -> Tree:
    """A statement that collects, perhaps in a helper, while the frames of its callers alone hold things."""
    here = m.here
    helpers = [
        at
        for at, helper in enumerate(m.helpers)
        if helper.collects and not helper.throws and here.cost + helper.cost * here.times <= here.allowed
    ]
    if not helpers or m.chance(70):
        return ("gc",)
    at = m.pick(helpers)
    helper = m.helpers[at]
    m.charge(helper.cost)
    form = m.pick(("call", "call", "call_ref", "call_indirect"))
    call: Tree = (form, at, *arguments(m, helper, 0))
    return call if helper.result is None else ("drop", call)


def called(m: Maker) -> Tree:
    """The host is called back; what it gives is kept or not."""
    variable = m.writable("extern")
    tree: Tree = ("cb", leaf(m, "extern"))
    if m.chance(100):
        return ("drop", tree)
    m.learn(variable, None)
    return ("set", variable, tree)


def condition(m: Maker, depth: int = 1) -> Tree:
    """An i32 that mostly depends on the selector, or on what a reference is."""
    selectors = [number for number in m.variables("i32") if number <= SELECTOR] or m.variables("i32")
    if selectors and m.chance(150):
        selector: Tree = ("get", m.pick(selectors))
        return selector if m.chance(190) else ("add", selector, ("i32", -1 - m.upto(2)))
    return value(m, "i32", depth) if depth > 0 else ("i32", m.upto(2))


def index(m: Maker, length: int) -> Tree:
    """An index mostly below `length`."""
    if m.chance(12 if m.has("traps") else 2):
        return ("i32", length + m.upto(3))
    if m.chance(30) and m.variables("i32"):
        return ("get", m.pick(m.variables("i32")))
    return ("i32", m.upto(max(length, 1)))


def object_(m: Maker, type_: str, depth: int) -> Tree:
    """An expression of a struct or array type that is probably not null."""
    known = m.known(type_)
    if known and m.chance(190):
        return ("get", m.pick(known))
    if m.chance(24):
        return value(m, type_, depth)
    return _kept(m, type_, make_object(m, type_, depth), 0)


def array(m: Maker, type_: str, depth: int) -> tuple[Tree, int]:
    """The same of an array, and its probable length."""
    known = m.known(type_)
    if known and m.chance(190):
        variable = m.pick(known)
        return ("get", variable), m.here.known[variable]
    tree, length = make_array(m, type_, depth)
    return _kept(m, type_, tree, length), length


def _kept(m: Maker, type_: str, tree: Tree, length: int) -> Tree:
    if len(m.here.types) - m.here.params >= MOST_LOCALS or m.chance(60):
        return tree
    variable = m.writable(type_)
    m.learn(variable, length)
    return ("tee", variable, tree)


def make_object(m: Maker, type_: str, depth: int) -> Tree:
    """A new struct or array of exactly this type."""
    if type_ in m.array_of:
        return make_array(m, type_, depth)[0]
    if depth < 0 or (m.has_default(type_) and m.chance(50)):
        return small(m, type_)
    fields = m.struct_of[type_].fields
    strict = [at for at, field in enumerate(fields) if not field.has_default]
    return ("struct.new", type_, *operands(m, [operand_type(field.storage) for field in fields], depth, strict))


def make_array(m: Maker, type_: str, depth: int) -> tuple[Tree, int]:
    """A new array of exactly this type, and its length."""
    field = m.element(type_)
    element = operand_type(field.storage)
    length = m.pick((0, 1, 2, 3, 3, 4, 5, 8))
    if m.here.times == 1 and m.chance(8):
        length = m.pick((100, 1000, 4000))
    segments = m.has("segments") if is_reference(element) else m.has("data")
    way = 2 if segments and m.chance(80) else m.upto(5)
    if way == 0 and field.has_default:
        return ("array.new_default", type_, ("i32", length)), length
    if way == 1 and length < 6:
        strict = () if field.has_default else range(length)
        return ("array.new_fixed", type_, *operands(m, [element] * length, depth, strict)), length
    if way == 2 and segments and not is_reference(element):
        length = min(length, 8)
        return ("array.new_data", type_, ("i32", m.upto(9)), ("i32", length)), length
    if way == 2 and segments and field.has_default:
        segment = segment_for(m, element)
        if segment is not None:
            length = len(m.segments[segment][1])
            return ("array.new_elem", type_, segment, ("i32", 0), ("i32", length)), length
    first = filled(m, field, depth)
    size: Tree = ("i32", length)
    return ("array.new", type_, first, later(m, size) if is_reference(element) else size), length


def segment_for(m: Maker, element: str) -> int | None:
    """A segment whose items fit where `element` is wanted, if there is one."""
    fitting = [at for at, (type_, _) in enumerate(m.segments) if type_ == element or type_ in m.under.get(element, ())]
    return m.pick(fitting) if fitting else None
