"""Reading the types that a body declares, out of its `(rec ...)` forms (docs/bodies.md)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from twinheap.model.body import CACHED, BodyError, Tree, dumps
from twinheap.model.body_forms import NON_NULL_PREFIX, NUMBER_TYPES
from twinheap.model.declared import CONST_PREFIX, FUNCTION, KIT_ONLY, Member, Types, is_declared
from twinheap.model.kit import NUMBERS, Field, field_of, object_type

MAX_DECLARED: Final = 12
"""Types that a body declares: enough for two groups that differ, each with a chain of subtypes."""

MAX_FIELDS: Final = 12
"""Fields of a declared struct: more than the largest one of the kit."""

_KINDS: Final = ("struct", "array", FUNCTION)
_NO_FIELDS: Final = frozenset({"exn", "noexn"})  # their proposal is younger than the others


def _wrong(form: Tree, why: str) -> BodyError:
    return BodyError(f"{dumps(form)[:100]}: {why}")


def types_of(forms: Iterable[Tree]) -> Types:
    """The types of a body, out of its `(rec ...)` forms in order. Raises BodyError for what is no valid type."""
    known = KIT_ONLY
    for form in forms:
        known = _with_group(known, form)
    return known


@lru_cache(maxsize=CACHED)  # a body is made group by group, read, checked, and turned to Wasm
def _with_group(known: Types, form: Tree) -> Types:
    """What is known behind a group."""
    own = [part for part in form[1:] if isinstance(part, tuple)]
    names = [str(part[1]) if len(part) > 1 else "" for part in own]
    if not own or len(own) != len(form) - 1 or any(part[0] not in _KINDS for part in own):
        raise _wrong(form, "a group is made of (struct NAME ...), (array NAME ...) and (func NAME ...)")
    if len(set(names)) < len(names) or any(not is_declared(name) or name in known.references for name in names):
        raise _wrong(form, "each type has a name of its own: t and a number")
    groups = (*known.groups, tuple(_member(part, {*known.references, *names}) for part in own))
    if sum(map(len, groups)) > MAX_DECLARED:
        raise _wrong(form, f"a body declares at most {MAX_DECLARED} types")
    return _checked(form, groups, known)


def _member(form: Tree, names: set[str]) -> Member:
    """`names`: the types that fields may be of."""
    if form[0] == FUNCTION:
        return _function(form, names)
    parts = list(form[2:])
    final, parent = True, None
    while parts and isinstance(head := parts[0], tuple):
        if head == ("open",):
            final = False
        elif head[0] == "sub" and len(head) == 2 and isinstance(head[1], str) and parent is None:
            parent = head[1]
        else:
            raise _wrong(form, "after its name a type may have (sub TYPE) and (open), then come its fields")
        parts.pop(0)
    fields = tuple(_field(form, part, names) for part in parts)
    if len(fields) > MAX_FIELDS or (form[0] == "array" and len(fields) != 1):
        raise _wrong(form, f"a struct has up to {MAX_FIELDS} fields, an array elements of one type")
    return Member(str(form[0]), object_type(str(form[1]), fields, parent, final, ()))


def _function(form: Tree, names: set[str]) -> Member:
    """A function type: `(param TYPE ...)` and `(result TYPE)`, either of which may be missing."""
    heads = {str(part[0]): part[1:] for part in form[2:] if isinstance(part, tuple)}
    words = [str(word) for part in heads.values() for word in part]
    if list(heads) not in ([], ["param"], ["result"], ["param", "result"]) or len(form) != 2 + len(heads):
        raise _wrong(form, "a function type has (param TYPE ...) and (result TYPE)")
    if any(word not in NUMBER_TYPES and word not in names for word in words) or len(heads.get("result", ())) > 1:
        raise _wrong(form, "parameters and the one result are of types without ref.")
    result = next((str(word) for word in heads.get("result", ())), None)
    made = object_type(str(form[1]), (), None, True, ())
    return Member(FUNCTION, made, tuple(map(str, heads.get("param", ()))), result)


def _field(form: Tree, part: object, names: set[str]) -> Field:
    word = str(part)
    rest = word.removeprefix(CONST_PREFIX)
    storage = rest.removeprefix(NON_NULL_PREFIX)
    numeric = storage in NUMBERS and rest == storage
    if not numeric and (storage not in names or storage in _NO_FIELDS):
        raise _wrong(form, f"{word} is no type of a field")
    return field_of(storage, word == rest, rest == storage)


def _checked(form: Tree, groups: tuple[tuple[Member, ...], ...], types: Types) -> Types:
    """The types of the groups: a supertype is declared before, is not final, and has the first of the fields.

    `form`: the last group; `types`: those of the others.
    """
    before = {name: ("struct" if name in types.structs else "array", made) for name, made in types.objects.items()}
    pairs = []
    for member in groups[-1]:
        made = member.made
        if made.parent is not None:
            kind, parent = before.get(made.parent, ("", made))
            if kind != member.kind or parent.final:
                raise _wrong(form, f"{made.parent} is no supertype for {made.name}: not before it, or final")
            pairs.append((made, parent))
        before[made.name] = member.kind, made  # a function type is final
    whole = Types(groups)  # supertypes are there, so that all types have their place
    for made, parent in pairs:
        if len(made.fields) < len(parent.fields) or not all(map(whole.field_fits, made.fields, parent.fields)):
            raise _wrong(form, f"{made.name} has other fields than {made.parent}")
    return whole
