"""The types that a body declares beside those of the kit: recursion groups of structs and arrays (docs/bodies.md).

A type is what its whole group says and its place there, whatever it is called and in whatever module it stands: that is
its *identity*, by which the model knows it everywhere. Inside a body it goes by its name. Implements
docs/spec/wasm-ops.md 6.1 (casts by kind and type index).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

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

FUNCTION: Final = "func"
CONST_PREFIX: Final = "const."
_NAME: Final = re.compile(r"t[0-9]+")


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
