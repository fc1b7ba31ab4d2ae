"""The edits of a shrinker on the types that a body declares: fewer of them, with fewer fields that say less.

As all edits of bodies, they do not ask whether what comes out is a body.
"""

from __future__ import annotations

from collections.abc import Iterator

from twinheap.fuzz.body_places import functions, mapped, replaced, with_types
from twinheap.model.body import Tree
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import CONST_PREFIX, is_declared

NEW = "struct.new"
FIELD_FORMS = frozenset({"struct.get", "struct.get_s", "struct.set"})
FIRST_FIELD = 2  # of the parts of a declared type; before it its name, and forms


def _members(body: Tree) -> Iterator[tuple[int, int, Tree]]:
    """Each declared type: the place of its group in the body, its own there, and what it says."""
    for at, group in enumerate(body):
        if isinstance(group, tuple) and group[0] == "rec":
            for place, member in enumerate(group):
                if isinstance(member, tuple):
                    yield at, place, member


def declared_types(body: Tree, text: str) -> Iterator[Tree]:
    """Without a group, or a type; or with another type in its place everywhere."""
    groups = [at for at, part in enumerate(body) if isinstance(part, tuple) and part[0] == "rec"]
    for at in groups:
        yield replaced(body, (at,))
    for at, _, function in functions(body):
        yield from (
            replaced(body, (at, place))
            for place, part in enumerate(function)
            if isinstance(part, tuple) and part[0] == "type"
        )
    for at, place, member in _members(body):
        group = body[at]
        alone = isinstance(group, tuple) and len(group) == FIRST_FIELD
        gone = replaced(body, (at,) if alone else (at, place))
        yield gone
        for other in _instead(body, member):
            yield with_types(gone, {str(member[1]): other})


def _instead(body: Tree, member: Tree) -> Iterator[str]:
    """Types that may do in the place of one: its supertype, simple ones of the kit, others of the body."""
    yield from (str(part[1]) for part in member if isinstance(part, tuple) and part[0] == "sub")
    yield from ("box", "empty", "pair", "node") if member[0] == "struct" else ("externs", "anys", "bytes")
    yield from (str(other[1]) for _, _, other in _members(body) if other[0] == member[0] and other is not member)


def fewer_fields(body: Tree, text: str) -> Iterator[Tree]:
    """Without a field of a struct, of its subtypes, and of all that names them; the last fields first."""
    for _, _, member in _members(body):
        heads = sum(isinstance(part, tuple) for part in member)
        if member[0] == "struct":
            for field in range(len(member) - FIRST_FIELD - heads - 1, -1, -1):
                yield _without_field(body, _family(body, str(member[1])), field)


def _family(body: Tree, name: str) -> frozenset[str]:
    """A type and its subtypes."""
    found = {name}
    for _, _, member in _members(body):
        if any(isinstance(part, tuple) and part[0] == "sub" and part[1] in found for part in member):
            found.add(str(member[1]))
    return frozenset(found)


def _without_field(body: Tree, family: frozenset[str], field: int) -> Tree:
    def change(form: Tree) -> Tree:
        if len(form) < FIRST_FIELD or form[1] not in family:
            return form
        if form[0] == "struct":
            gone = FIRST_FIELD + sum(isinstance(part, tuple) for part in form) + field
        elif form[0] == NEW:
            gone = FIRST_FIELD + field
        elif form[0] in FIELD_FORMS and isinstance(form[2], int) and form[2] > field:
            return (*form[:2], form[2] - 1, *form[3:])
        else:
            return form
        return (*form[:gone], *form[gone + 1 :])

    return mapped(body, change)


def plainer_types(body: Tree, text: str) -> Iterator[Tree]:
    """Without what a type says beside its fields, and without prefixes of those; numbers as i32, references as any."""
    for at, place, member in _members(body):
        for number, part in enumerate(member[FIRST_FIELD:], FIRST_FIELD):
            if isinstance(part, tuple):
                yield replaced(body, (at, place, number))
                continue
            word = str(part)
            bare = word.removeprefix(CONST_PREFIX)
            plain = {bare, word.replace(NON_NULL_PREFIX, ""), bare.removeprefix(NON_NULL_PREFIX)}
            plain |= {"i32", "extern", "any"} if is_declared(bare.removeprefix(NON_NULL_PREFIX)) else set()
            for simpler in sorted(plain - {word}):
                changed = (*member[:number], simpler, *member[number + 1 :])
                yield replaced(body, (at, place), changed)
