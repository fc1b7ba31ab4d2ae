"""The types that a body declares beside those of the kit: recursion groups of structs and arrays (docs/bodies.md).

A type is what its whole group says and its place there, whatever it is called and in whatever module it stands: that is
its *identity*, by which the model knows it everywhere. Inside a body it goes by its name. Implements
docs/spec/wasm-ops.md 6.1 (casts by kind and type index).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import msgspec

from twinheap.model.body import CACHED, BodyError, Tree, dumps
from twinheap.model.body_forms import ABSTRACT, NON_NULL_PREFIX, NUMBER_TYPES, REFERENCE_TYPES
from twinheap.model.kit import (
    ARRAYS,
    BOTTOMS,
    FUNCTION_PREFIX,
    NUMBERS,
    STRUCTS,
    Field,
    ObjectType,
    field_of,
    object_type,
)

MAX_DECLARED: Final = 12
"""Types that a body declares: enough for two groups that differ, each with a chain of subtypes."""

MAX_FIELDS: Final = 12
"""Fields of a declared struct: more than the largest one of the kit."""

FUNCTION: Final = "func"
CONST_PREFIX: Final = "const."
_NAME: Final = re.compile(r"t[0-9]+")
_KINDS: Final = ("struct", "array", FUNCTION)
_NO_FIELDS: Final = frozenset({"exn", "noexn"})  # their proposal is younger than the others


def is_declared(name: str) -> bool:
    """Whether a type's name is one that a body gives.

    >>> is_declared("t0"), is_declared("table")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None


class Member(msgspec.Struct, frozen=True):
    """A type in a group: its kind, and what it says in the names of its body.

    `params`, `result`: those of a function type, which has no fields.
    """

    kind: str
    made: ObjectType
    params: tuple[str, ...] = ()
    result: str | None = None


class Types:
    """The reference types that a body knows, by name: abstract ones, those of the kit, those that it declares."""

    def __init__(self, groups: tuple[tuple[Member, ...], ...] = ()) -> None:
        self.groups = groups
        """As they were declared."""
        self.objects: dict[str, ObjectType] = {made.name: made for made in (*STRUCTS, *ARRAYS)}
        """Struct and array types; their fields are of types by name."""
        self.structs: tuple[str, ...] = tuple(made.name for made in STRUCTS)
        self.arrays: tuple[str, ...] = tuple(made.name for made in ARRAYS)
        self.declared: dict[str, ObjectType] = {}
        """Those that the body declares and the kit does not have: their fields are of types by identity."""
        self.functions: dict[str, Member] = {}
        """The function types that the body declares."""
        self._identities: dict[str, str] = {}
        self._above: dict[str, tuple[str, ...]] = {}  # by identity: itself and all above it
        for made in STRUCTS:
            self._above[made.name] = (made.name, *made.above, "struct", "eq", "any")
        self._above |= {made.name: (made.name, "array", "eq", "any") for made in ARRAYS}
        self._above |= ABSTRACT
        self._add(groups)
        self.references: tuple[str, ...] = (*REFERENCE_TYPES, *self._identities)
        """The names of all reference types."""

    def _add(self, groups: Iterable[tuple[Member, ...]]) -> None:
        for group in groups:
            names = [member.made.name for member in group]
            identities = _identities(group, self.identity)
            self._identities |= dict(zip(names, identities, strict=True))
            for member in group:
                self._add_member(member)

    def _add_member(self, member: Member) -> None:
        name, parent = member.made.name, member.made.parent
        if member.kind == FUNCTION:
            self.functions[name] = member
            self._above[self.identity(name)] = (self.identity(name), FUNCTION)
            return
        self.objects[name] = member.made
        if member.kind == "struct":
            self.structs += (name,)
        else:
            self.arrays += (name,)
        identity = self.identity(name)
        if identity in REFERENCE_TYPES:
            return
        above = self._above[self.identity(parent or member.kind)]
        self._above[identity] = (identity, *above)
        made = member.made.fields
        fields = tuple(field_of(self.identity(field.storage), field.mutable, field.nullable) for field in made)
        objects = tuple(each for each in above if each not in ABSTRACT)
        up = self.identity(parent) if parent else None
        self.declared[name] = object_type(identity, fields, up, member.made.final, objects)

    def identity(self, name: str) -> str:
        """What a type is called everywhere; the name itself for those that are no declared ones."""
        return self._identities.get(name, name)

    def made(self, name: str) -> str | ObjectType:
        """What objects of a type are made of: the name of a type of the kit, or one that the body declares."""
        return self.declared.get(name) or self.identity(name)

    def of_function(self, params: tuple[str, ...], result: str | None) -> str:
        """The identity of a function type that stands alone. Names with `ref.` where there is never null."""
        made = object_type("", (), None, True, ())
        return _identities((Member(FUNCTION, made, params, result),), self.identity)[0]

    def subtype(self, one: str, other: str) -> bool:
        """Whether a value of type `one` will do where `other` is wanted.

        >>> Types().subtype("sub", "eq"), Types().subtype("none", "box"), Types().subtype("none", "extern")
        (True, True, False)
        """
        if one in BOTTOMS:
            return other not in NUMBERS and self.top_of(other) == BOTTOMS[one]
        if one in NUMBERS:
            return one == other
        return self.identity(other) in self._above[self.identity(one)]

    def top_of(self, name: str) -> str:
        """The top of a reference type's hierarchy: `any`, `extern`, `exn` or `func`."""
        return BOTTOMS.get(name) or self._above[self.identity(name)][-1]

    def field_fits(self, field: Field, wanted: Field) -> bool:
        """Whether a field of a subtype fits that of its supertype: the same if it can be set, else it may be less."""
        if field.mutable != wanted.mutable or (field.nullable and not wanted.nullable):
            return False
        if field.mutable or field.storage in NUMBERS:
            same = self.identity(field.storage) == self.identity(wanted.storage)
            return same and field.nullable == wanted.nullable
        return self.subtype(field.storage, wanted.storage)

    def plain(self, name: str) -> tuple[str, bool] | None:
        """What a word for a type means: the type's name, and whether it has no null; None if it is no type."""
        if name in NUMBER_TYPES or name in self.references:
            return name, False
        rest = name.removeprefix(NON_NULL_PREFIX)
        if rest == name or rest not in self.references or self.top_of(rest) in ("exn", FUNCTION):
            return None
        return rest, True

    @property
    def words(self) -> str:
        """The names, for messages."""
        return " ".join((*self.references, *NUMBER_TYPES))


# --- identity


def _key(members: tuple[Member, ...], identity: Callable[[str], str]) -> str:
    """What a group says, with its own types by place and all others by identity."""
    places = {member.made.name: f"rec.{at}" for at, member in enumerate(members)}

    def known(name: str) -> str:
        return places.get(name) or identity(name)

    parts = []
    for member in members:
        made = member.made
        fields = " ".join(_field_words(field, known(field.storage)) for field in made.fields)
        if member.kind == FUNCTION:
            words = " ".join(_known_word(word, known) for word in member.params)
            parts.append(f"func({words})->{_known_word(member.result, known) if member.result else ''}")
            continue
        parts.append(f"{member.kind}{' final' * made.final} {known(made.parent) if made.parent else ''}({fields})")
    return " ".join(parts)


def _field_words(field: Field, storage: str) -> str:
    return CONST_PREFIX * (not field.mutable) + NON_NULL_PREFIX * (not field.nullable) + storage


def _known_word(word: str, known: Callable[[str], str]) -> str:
    name = word.removeprefix(NON_NULL_PREFIX)
    return word[: len(word) - len(name)] + known(name)


def _kit_keys() -> dict[str, str]:
    kinds = [("struct", made) for made in STRUCTS] + [("array", made) for made in ARRAYS]
    return {_key((Member(kind, made),), str): made.name for kind, made in kinds}


_KIT_KEYS: Final = _kit_keys()


def _identities(group: tuple[Member, ...], identity: Callable[[str], str]) -> list[str]:
    """The identities of a group's types: those of the kit's types for a group of one that is alike."""
    key = _key(group, identity)
    if key in _KIT_KEYS:
        return [_KIT_KEYS[key]]
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    heads = [FUNCTION_PREFIX if member.kind == FUNCTION else "rec." for member in group]
    return [f"{head}{digest}.{at}" for at, head in enumerate(heads)]


KIT_ONLY: Final = Types()
"""What a body knows that declares no types."""


# --- reading


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
