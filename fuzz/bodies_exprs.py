"""Expressions of random bodies, by the type that is wanted.

`exact` gives an expression of one static type, `value` of that or a type below it. Operands after a reference may be
wrapped in `(then ... E)` with a collection in it, so that the reference waits on the operand stack meanwhile.
"""

# ruff: noqa: D103 -- the ways to make a value are named after their forms.
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twinheap.fuzz.bodies_frame import (
    ARRAY_OF,
    MOST_LOCALS,
    NUMERIC,
    SELECTOR,
    STRUCT_OF,
    UNDER,
    Maker,
    is_reference,
    operand_type,
)
from twinheap.model.body import Tree
from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, REFERENCES

Way = Callable[[Maker, str, int], Tree | None]
WAYS: Final[list[tuple[str, str, float, Way]]] = []
"""The ways to make a value: for which types, of which feature, how often, how."""

DEPTH: Final = 3  # nesting of the operands that make a value
NUMBERS: Final = (0, 1, 2, 3, 7, 127, 200, -1, 0x3FFFFFFF, 0x40000000, -0x40000000, 0x7FFFFFFF)
NESTED: Final = {"any", "eq", "i31", "struct", "array", *STRUCT_OF, *ARRAY_OF}
ANYTHING: Final = ("extern", "any", "eq", "i31", "struct", "array", *STRUCT_OF, *ARRAY_OF)


def way(types: str, weight: float, feature: str = "") -> Callable[[Way], Way]:
    """Registers a way to make values of `types`: a type, or a class of them."""

    def register(make: Way) -> Way:
        WAYS.append((types, feature, weight, make))
        return make

    return register


def _is_in(type_: str, class_: str) -> bool:
    members = {"ref": is_reference, "nested": NESTED.__contains__, "number": NUMERIC.__contains__}
    more = {"lower": lambda t: t in NESTED and t != "any", "made": lambda t: t in STRUCT_OF or t in ARRAY_OF}
    found = members.get(class_) or more.get(class_)
    return found(type_) if found else type_ == class_


def value(m: Maker, wanted: str, depth: int = DEPTH) -> Tree:
    """An expression that will do where `wanted` is."""
    return exact(m, _below(m, wanted), depth)


def _below(m: Maker, wanted: str) -> str:
    if wanted not in UNDER or (wanted in ("any", "eq") and m.chance(60)):
        return wanted
    usual = {*m.structs, *m.arrays, "i31"} if m.chance(220) else NESTED
    options = [type_ for type_ in UNDER[wanted] if type_ in usual]
    return m.pick(options) if options else wanted


def exact(m: Maker, type_: str, depth: int = DEPTH) -> Tree:
    """An expression whose static type is `type_`."""
    if depth <= 0 or m.left <= 0:
        return leaf(m, type_)
    ways = [(weight, make) for class_, feature, weight, make in WAYS if m.has(feature) and _is_in(type_, class_)]
    total = sum(weight for weight, _ in ways)
    for _ in range(4):
        at = m.byte() / 256 * total
        for weight, make in ways:
            at -= weight
            if at < 0:
                break
        made = make(m, type_, depth - 1)
        if made is not None:
            m.left -= 1
            return made
    return leaf(m, type_)


def leaf(m: Maker, type_: str) -> Tree:
    """The smallest that there is."""
    if type_ in NUMERIC:
        variables = m.variables(type_)
        return ("get", m.pick(variables)) if variables and m.chance(80) else (type_, m.pick(NUMBERS))
    variables = m.known(type_) or m.variables(type_)
    if variables and m.chance(220):
        return ("get", m.pick(variables))
    if type_ in KIT_GLOBALS and m.chance(200):
        return ("global.get", m.pick([k for k, t in enumerate(KIT_GLOBALS) if t == type_]))
    if type_ == "i31":
        return ("i31", ("i32", m.pick(NUMBERS)))
    if type_ in STRUCT_OF and m.chance(200):
        return ("struct.new_default", type_)
    if type_ in ARRAY_OF and m.chance(200):
        return ("array.new_default", type_, ("i32", m.upto(4)))
    return ("null", type_)


# --- operands


def later(m: Maker, tree: Tree) -> Tree:
    """An operand that comes after a reference, sometimes with a collection before it."""
    if m.left > 0 and m.has("frames") and m.chance(100):
        m.left -= 1
        return ("then", *pause(m), tree)
    return tree


def operands(m: Maker, types: Sequence[str], depth: int) -> list[Tree]:
    """Operands of these types, in order."""
    made: list[Tree] = []
    held = False
    for type_ in types:
        tree = value(m, type_, depth)
        made.append(later(m, tree) if held else tree)
        held = held or is_reference(type_)
    return made


def pause(m: Maker) -> list[Tree]:
    """Statements that a reference on the operand stack has to survive: holders go, then a collection."""
    if not m.charge(2):
        return [("drop", ("struct.new_default", m.pick(m.structs)))]
    forgetting: list[Tree] = []
    if m.chance(120):
        forgetting.append(("clear",))
    elif m.chance(120):
        slot = m.upto(len(KIT_GLOBALS))
        forgetting.append(("global.set", slot, ("null", KIT_GLOBALS[slot])))
    elif m.chance(80):
        table = m.upto(len(KIT_TABLES))
        forgetting.append(("table.set", table, ("i32", m.upto(4)), ("null", KIT_TABLES[table])))
    after: list[Tree] = []
    if m.chance(80):  # what was freed is used again
        after.append(("drop", leaf_object(m, m.pick(m.structs))))
    return [*forgetting, ("gc",), *after]


def leaf_object(m: Maker, struct: str) -> Tree:
    """A new struct, at once."""
    return ("struct.new_default", struct)


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
    if type_ in ARRAY_OF:
        return make_array(m, type_, depth)[0]
    if m.chance(50):
        return ("struct.new_default", type_)
    fields = [operand_type(field.storage) for field in STRUCT_OF[type_].fields]
    return ("struct.new", type_, *operands(m, fields, depth))


def make_array(m: Maker, type_: str, depth: int) -> tuple[Tree, int]:
    """A new array of exactly this type, and its length."""
    storage = ARRAY_OF[type_].fields[0].storage
    element = operand_type(storage)
    length = m.pick((0, 1, 2, 3, 3, 4, 5, 8))
    if m.here.times == 1 and m.chance(8):
        length = m.pick((100, 1000, 4000))
    way = m.upto(5)
    if way == 0:
        return ("array.new_default", type_, ("i32", length)), length
    if way == 1 and length < 6:
        return ("array.new_fixed", type_, *operands(m, [element] * length, depth)), length
    if way == 2 and m.has("segments") and not is_reference(element):
        length = min(length, 8)
        return ("array.new_data", type_, ("i32", m.upto(9)), ("i32", length)), length
    if way == 2 and m.has("segments"):
        segment = segment_for(m, element)
        if segment is not None:
            length = len(m.segments[segment][1])
            return ("array.new_elem", type_, segment, ("i32", 0), ("i32", length)), length
    first = value(m, element, depth)
    size: Tree = ("i32", length)
    return ("array.new", type_, first, later(m, size) if is_reference(element) else size), length


def segment_for(m: Maker, element: str) -> int | None:
    """A segment whose items fit where `element` is wanted, if there is one."""
    fitting = [at for at, (type_, _) in enumerate(m.segments) if type_ == element or type_ in UNDER.get(element, ())]
    return m.pick(fitting) if fitting else None


# --- references, whatever their type


@way("ref", 5)
def get(m: Maker, type_: str, depth: int) -> Tree | None:
    variables = m.known(type_) if m.chance(150) else m.variables(type_)
    return ("get", m.pick(variables)) if variables else None


@way("ref", 0.5)
def null(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("null", type_)


@way("ref", 0.7)
def tee(m: Maker, type_: str, depth: int) -> Tree | None:
    tree = exact(m, type_, depth)
    variable = m.writable(type_)
    m.learn(variable, None)
    return ("tee", variable, tree)


@way("ref", 1.2, "frames")
def then(m: Maker, type_: str, depth: int) -> Tree | None:
    before = pause(m)
    return ("then", *before, exact(m, type_, depth))


@way("ref", 3, "select")
def select(m: Maker, type_: str, depth: int) -> Tree | None:
    first = exact(m, type_, depth)
    second = later(m, exact(m, type_, depth))
    return ("select", first, second, later(m, condition(m, depth)))


@way("ref", 1, "control")
def if_else(m: Maker, type_: str, depth: int) -> Tree | None:
    asked = condition(m, depth)
    arms = [m.maybe(lambda: exact(m, type_, depth)) for _ in range(2)]
    return ("if_else", asked, *arms)


@way("ref", 2.5, "calls")
def call(m: Maker, type_: str, depth: int) -> Tree | None:
    helpers = [at for at, helper in enumerate(m.helpers) if helper.result == type_]
    if not helpers:
        return None
    helper = m.pick(helpers)
    if not m.charge(m.helpers[helper].cost):
        return None
    form = m.pick(("call", "call", "call_ref", "call_indirect"))
    return (form, helper, *operands(m, m.helpers[helper].params, depth - 1))


@way("ref", 3)
def slot(m: Maker, type_: str, depth: int) -> Tree | None:
    slots = [("global.get", at) for at, storage in enumerate(KIT_GLOBALS) if storage == type_]
    tables = [at for at, storage in enumerate(KIT_TABLES) if storage == type_ and m.has("tables")]
    if tables and (not slots or m.chance(128)):
        return ("table.get", tables[0], index(m, 4))
    return m.pick(slots) if slots else None


@way("ref", 1.5, "structs")
def struct_get(m: Maker, type_: str, depth: int) -> Tree | None:
    fields = [(made.name, at) for made in STRUCT_OF.values() for at, f in enumerate(made.fields) if f.storage == type_]
    usual = [pair for pair in fields if pair[0] in m.structs or m.known(pair[0])]
    if not fields or (not usual and m.chance(200)):
        return None
    struct, at = m.pick(usual or fields)
    return ("struct.get", struct, at, object_(m, struct, depth))


@way("ref", 1.5, "arrays")
def array_get(m: Maker, type_: str, depth: int) -> Tree | None:
    arrays = [name for name, made in ARRAY_OF.items() if made.fields[0].storage == type_]
    usual = [name for name in arrays if name in m.arrays or m.known(name)]
    if not usual:
        return None
    name = m.pick(usual)
    tree, length = array(m, name, depth)
    return ("array.get", name, tree, later(m, index(m, length))) if length else None


@way("lower", 1.5, "casts")
def cast(m: Maker, type_: str, depth: int) -> Tree | None:
    known = [number for other in UNDER[type_] for number in m.known(other)]
    risky = m.has("traps") and m.chance(60)
    if known and not risky:
        return ("cast", type_, ("get", m.pick(known)))
    source = value(m, "any" if risky else type_, depth)
    return ("cast", type_, source)


@way("lower", 1.5, "casts")
def on_cast(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("on_cast", type_, value(m, "any", depth), exact(m, type_, depth))


@way("ref", 0.3, "casts")
def as_non_null(m: Maker, type_: str, depth: int) -> Tree | None:
    known = m.known(type_)
    return ("as_non_null", ("get", m.pick(known))) if known else None


# --- by type


@way("extern", 4)
def new(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("new",) if m.fresh() else None


@way("extern", 1.5)
def pass_(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("pass", value(m, "extern", depth))


@way("extern", 1, "convert")
def to_extern(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("to_extern", value(m, "any", depth))


@way("any", 2)
def to_any(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("to_any", value(m, "extern", depth))


@way("i31", 3)
def i31(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("i31", value(m, "i32", depth - 1))


@way("made", 5)
def construct(m: Maker, type_: str, depth: int) -> Tree | None:
    return make_object(m, type_, depth)


# --- numbers


@way("number", 3)
def constant(m: Maker, type_: str, depth: int) -> Tree | None:
    return leaf(m, type_)


@way("i32", 1)
def add(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("add", value(m, "i32", depth - 1), value(m, "i32", depth - 1))


@way("i32", 1)
def is_null(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("is_null", value(m, m.pick(REFERENCES[:2]), depth))


@way("i32", 2, "casts")
def test(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("test", m.pick(ANYTHING[2:]), value(m, "any", depth))


@way("i32", 1.5)
def ref_eq(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("ref_eq", *operands(m, ("eq", "eq"), depth))


@way("i32", 1, "arrays")
def array_len(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("array.len", array(m, m.pick(m.arrays), depth)[0])


@way("i32", 1, "tables")
def table_size(m: Maker, type_: str, depth: int) -> Tree | None:
    table = m.upto(len(KIT_TABLES))
    if m.chance(100):
        return ("table.size", table)
    return ("table.grow", table, value(m, KIT_TABLES[table], depth), later(m, ("i32", m.upto(4))))


@way("i32", 1)
def i31_get(m: Maker, type_: str, depth: int) -> Tree | None:
    known = m.known("i31")
    source: Tree = ("get", m.pick(known)) if known else ("i31", value(m, "i32", depth - 1))
    return (m.pick(("i31.get_s", "i31.get_u")), source)


@way("number", 1.5, "structs")
def struct_number(m: Maker, type_: str, depth: int) -> Tree | None:
    numeric = [s for s in m.structs if any(operand_type(f.storage) == type_ for f in STRUCT_OF[s].fields)]
    if not numeric:
        return None
    struct = m.pick(numeric)
    at = m.pick([at for at, f in enumerate(STRUCT_OF[struct].fields) if operand_type(f.storage) == type_])
    return ("struct.get", struct, at, object_(m, struct, depth))


@way("number", 1.5, "arrays")
def array_number(m: Maker, type_: str, depth: int) -> Tree | None:
    numeric = [a for a in m.arrays if operand_type(ARRAY_OF[a].fields[0].storage) == type_]
    if not numeric:
        return None
    name = m.pick(numeric)
    tree, length = array(m, name, depth)
    return ("array.get", name, tree, index(m, length)) if length else None


@way("i32", 0.7)
def to_i32(m: Maker, type_: str, depth: int) -> Tree | None:
    return ("to_i32", value(m, m.pick(NUMERIC[1:]), depth - 1))
