"""Statements of random bodies on objects of the types that they declare: what they are, and what is left of them.

Types are the same if their groups say the same; what is alike in groups that differ is not. What a cast or a test looks
up of them is made when code is compiled, and outlives it or does not.
"""

from __future__ import annotations

from twinheap.fuzz.bodies_exprs import array, object_
from twinheap.fuzz.bodies_frame import Maker
from twinheap.fuzz.bodies_stmts import shown, statement
from twinheap.model.body import Tree
from twinheap.model.kit import KIT_GLOBALS

MOST_ASKED = 2
ALIKE = 190  # of 256: how often a type is asked for that has the same fields, or as many, if there is one


@statement("types", 0.7)
def asked_of_types(m: Maker, depth: int) -> Tree | None:
    """An object of a type of the body, and whether it is of others; sometimes after a collection."""
    name = _own(m)
    if name is None:
        return None
    m.left -= 1
    made = _made(m, name)
    variable = m.writable(name)
    asked: list[Tree] = [("set", variable, made)]
    asked += [("gc",)] if m.chance(60) and m.charge() else []
    asked += [shown(m, ("test", _other(m, name), ("get", variable)), "i32") for _ in range(1 + m.upto(MOST_ASKED))]
    return ("do", *asked)


@statement("types", 0.7)
def left_behind(m: Maker, depth: int) -> Tree | None:
    """An object of a type of the body stays in a global of the instance, where the host can open it."""
    name = _own(m)
    if name is None:
        return None
    m.left -= 1
    fitting = [at for at, of in enumerate(KIT_GLOBALS) if m.below(name, of)]
    return ("global.set", m.pick(fitting), _made(m, name))


def _own(m: Maker) -> str | None:
    own = [name for name in (*m.struct_of, *m.array_of) if name.startswith("t")]
    return m.pick(own) if own else None


def _made(m: Maker, name: str) -> Tree:
    """An object of a type, probably not null."""
    return object_(m, name, 1) if name in m.struct_of else array(m, name, 1)[0]


def _other(m: Maker, name: str) -> str:
    """A type of the body's own or the kit's, mostly with the same fields, or as many."""
    objects = m.types.objects
    same = m.struct_of if name in m.struct_of else m.array_of
    others = [one for one in same if one != name] or [name]
    many = [one for one in others if len(objects[one].fields) == len(objects[name].fields)]
    alike = [one for one in many if objects[one].fields == objects[name].fields]
    for nearer in (alike, many):
        if nearer and m.chance(ALIKE):
            return m.pick(nearer)
    return m.pick(others)
