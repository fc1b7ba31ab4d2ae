"""Random bodies: valid Wasm code for the op `run`, about few things each.

Type-directed: expressions are made for a wanted type (`bodies_exprs.py`, `bodies_ways.py`), statements by weight
(`bodies_stmts.py`, `bodies_objects.py`, `bodies_control.py`). A body concentrates on some features, as programs do on
some groups of motifs. Bodies end, make a short trace, and depend on the selector, so that one is worth several runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twinheap.fuzz import (  # noqa: F401 -- add to the tables
    bodies_carry,
    bodies_control,
    bodies_declared,
    bodies_functions,
    bodies_nulls,
    bodies_objects,
    bodies_own,
    bodies_types,
    bodies_ways,
)
from twinheap.fuzz.bodies_exprs import make_array, make_object, object_, value
from twinheap.fuzz.bodies_frame import HELPER_COST, MAIN_COST, Frame, Helper, Maker
from twinheap.fuzz.bodies_stmts import some
from twinheap.model.body import BodyError, Tree, dumps, parse

MAIN: Final = ("extern", "extern", "any", "i32")
FEATURES: Final = (
    ("frames", 200),
    ("globals", 150),
    ("structs", 150),
    ("arrays", 130),
    ("tables", 90),
    ("select", 100),
    ("segments", 75),
    ("data", 150),
    ("own", 60),
    ("control", 110),
    ("calls", 90),
    ("far", 128),
    ("own tables", 70),
    ("types", 75),
    ("functions", 45),
    ("non-null", 80),
    ("casts", 90),
    ("convert", 80),
    ("traps", 40),
    ("nulls", 40),
)
"""What bodies can be about, and how often (in 256) one is."""
EXCEPTIONS: Final = 110  # the same, of exceptions
THROWS: Final = 110  # the same, of a helper that only throws, where there are exceptions
CALLBACKS: Final = 96  # the same, of callbacks
ACTIVE: Final = 90  # the same, of active segments, where there are other constants
SIZE: Final = 12  # forms to aim at, about half of which are leaves

RESULTS: Final = ("extern", "extern", "any", None)
EMPTY: Final = "(body (main (null extern)))"


def random_body(byte: Callable[[], int], exceptions: bool = True, size: int = SIZE, callbacks: bool = False) -> str:
    """The text of a random body. `byte`: random bytes; `exceptions`, `callbacks`: what may be used at all."""
    features = {name for name, share in FEATURES if byte() < share}
    if exceptions and byte() < EXCEPTIONS:
        features.add("exceptions")
    if callbacks and byte() < CALLBACKS:
        features.add("callbacks")
    if "functions" in features:
        features |= {"types", "calls"}
    low = max(1, size // 3)
    m = Maker(byte, frozenset(features), low + (byte() * byte() * (3 * size) >> 16))
    parts: list[Tree] = bodies_types.declare(m) if m.has("types") else []
    if m.has("own tables"):
        parts += bodies_declared.tables(m)
    if m.has("own"):
        parts += bodies_declared.globals_(m)
    if m.has("segments"):
        parts += bodies_declared.segments(m)
    if m.chance(ACTIVE if m.has("segments") or m.has("own") else 0):
        parts.append(bodies_declared.active(m))
    _helpers(m)
    parts += [helper.tree for helper in m.helpers]
    m.here = Frame(MAIN, "extern", MAIN_COST)
    text = dumps(("body", *parts, m.here.tree("main", _statements(m))))
    try:
        parse(text)
    except BodyError:  # too long, or nested too deeply
        return EMPTY
    return text


def _helpers(m: Maker) -> None:
    """The helpers, the one that throws last."""
    if m.has("calls"):
        count = 1 + m.upto(2)
        if m.has("far"):
            _far(m, count)
            count -= m.chance(128)
        for _ in range(count):
            _helper(m)
    if m.has("exceptions") and m.chance(THROWS):
        _thrower(m)


def _statements(m: Maker) -> list[Tree]:
    """The statements and the result of the function that is being written."""
    made = set_up(m) if m.has("non-null") else []
    made.append(some(m, 3))
    while m.left > 0:
        made.append(some(m, 3))
    if m.here.result is not None:
        result = m.here.result
        made.append(object_(m, result, 1) if m.here.strict_result else value(m, result, 2))
    return made


def set_up(m: Maker) -> list[Tree]:
    """Locals that are never null, set once at the beginning; later they are read only."""
    made: list[Tree] = []
    for _ in range(m.upto(3)):
        type_ = m.pick((*m.structs, *m.arrays))
        tree, length = make_array(m, type_, 1) if type_ in m.array_of else (make_object(m, type_, 1), 0)
        m.here.types.append(type_)
        variable = len(m.here.types) - 1
        m.here.strict.add(variable)
        m.learn(variable, length)
        made.append(("set", variable, tree))
    return made


def _far(m: Maker, count: int) -> None:
    """Far helpers, which know nothing of private globals and segments."""
    globals_, m.globals = m.globals, []
    segments, m.segments = m.segments, []
    tables, m.tables = m.tables, []
    m.far = True
    for _ in range(count):
        _helper(m, ("far",))
    m.far = False
    m.globals, m.segments, m.tables = globals_, segments, tables


def _helper(m: Maker, *marks: Tree) -> None:
    """One more helper, of a few statements; some take more arguments than there are registers."""
    types = ("extern", "extern", "any", "eq", *m.structs, *m.arrays, "i32")
    count = 7 + m.upto(14) if m.chance(40) else m.upto(4)
    params = tuple(m.pick(types) for _ in range(count))
    result = m.pick((*RESULTS, m.structs[0]))
    of = m.pick(tuple(m.types.functions)) if m.types.functions and m.chance(200) else None
    if of is not None:
        params, result = m.types.functions[of].params, m.types.functions[of].result
    here = m.here = Frame(params, result, HELPER_COST)
    if m.has("non-null") and of is None:
        here.strict = {at for at, type_ in enumerate(params) if type_ not in ("i32", "any", "eq") and m.chance(110)}
        here.strict_result = result in m.struct_of and m.chance(150)
    main, m.left = m.left, 2 + m.upto(4)
    collects: list[Tree] = [("gc",)] if m.chance(120) and m.charge() else []
    parts = [*collects, *_statements(m)]
    m.left = max(1, main - 3)
    name, *rest = here.tree("func", parts)
    strict = frozenset(at for at in here.strict if at < len(params))
    tree, head = (name, *marks, *rest), 1 + len(marks)
    helper = Helper(
        params,
        result,
        (*tree[:head], ("type", of), *tree[head:]) if of else tree,
        here.cost,
        strict,
        here.strict_result,
    )
    helper.type = of
    m.helpers.append(helper)


def _thrower(m: Maker) -> None:
    """A helper that collects and throws."""
    m.here = Frame((), None, HELPER_COST)
    m.charge()
    name, *rest = m.here.tree("func", [("gc",), bodies_control.thrown(m)])
    m.helpers.append(Helper((), None, (name, *rest), m.here.cost, throws=True))
