"""Recursion groups: types that are declared together and may refer to each other (`docs/spec/wasm-ops.md` 6.1).

Two groups that say the same are the same types, whoever declares them; types alike in groups that differ are not.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from twinheap.model.body import CACHED
from twinheap.model.body_forms import NON_NULL_PREFIX
from twinheap.model.declared import Member
from twinheap.model.kit import Field, field_of
from twinheap.targets.heap.kit_types import ARRAY_TYPES, STRUCT_TYPES
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.types import (
    ArrayType,
    FieldType,
    FuncType,
    HeapObjectType,
    Rec,
    RefType,
    Storage,
    StructType,
    This,
)

Named = dict[str, HeapObjectType]
"""Types by what a body calls them."""

KIT: Final[Named] = {**STRUCT_TYPES, **ARRAY_TYPES}


class Declaration(NamedTuple):
    """One type of a group. Another one of it is named by its place, as `Rec`.

    `kind`: "struct", "array" or "func", whose `fields` are its parameters and whose `result` may be missing.
    """

    kind: str
    fields: tuple[FieldType, ...]
    parent: HeapObjectType | Rec | None = None
    final: bool = True
    result: FieldType | None = None


@lru_cache(maxsize=CACHED)
def declare(group: tuple[Declaration, ...]) -> tuple[HeapObjectType, ...]:
    """The types of a group. One that is alone in its group is what the host makes without any.

    >>> field = FieldType(RefType(HeapType.STRUCT, concrete=Rec(0)))
    >>> one, two = declare((Declaration("struct", (field,)), Declaration("struct", (field,))))
    >>> one == two, one.fields[0].element_type.concrete is one, two.fields[0].element_type.concrete is one
    (False, True, True)
    >>> node = Declaration("struct", (field, FieldType(RefType(HeapType.EXTERN))))
    >>> declare((node,))[0] == STRUCT_TYPES["node"]
    True
    """
    alone = len(group) == 1
    made: list[HeapObjectType] = []
    for place, one in enumerate(group):
        result = () if one.result is None else (one.result,)
        all_ = (*one.fields, *result)
        fields = [_placed(field, lambda rec: This.THIS) for field in all_] if alone else all_
        parent = made[one.parent.place] if isinstance(one.parent, Rec) else one.parent
        key = None if alone else (group, place)
        if one.kind == "func":
            made.append(FuncType(fields, gives=bool(result), group=key))
        elif one.kind == "array":
            assert parent is None or isinstance(parent, ArrayType)
            made.append(ArrayType(fields[0], parent=parent, final=one.final, group=key))
        else:
            assert parent is None or isinstance(parent, StructType)
            made.append(StructType(fields, parent=parent, final=one.final, group=key))
    if not alone:
        for ty in made:
            ty.fields = tuple(_placed(field, lambda rec: made[rec.place]) for field in ty.declared)
    return tuple(made)


def _placed(field: FieldType, of: Callable[[Rec], object]) -> FieldType:
    """A field with something else in the place of a type of the group."""
    kind = field.element_type
    if not isinstance(kind, RefType) or not isinstance(kind.concrete, Rec):
        return field
    return FieldType(kind._replace(concrete=of(kind.concrete)), field.mutable)  # type: ignore[arg-type]


def declared_types(groups: Iterable[Sequence[Member]]) -> Named:
    """The types that a body declares, by name, with those of the kit."""
    known = dict(KIT)
    for group in groups:
        names = [member.made.name for member in group]
        made = declare(tuple(_declaration(member, group, known) for member in group))
        known |= dict(zip(names, made, strict=True))
    return known


def _declaration(member: Member, group: Sequence[Member], known: Named) -> Declaration:
    made, names = member.made, [one.made.name for one in group]
    parent = Rec(names.index(made.parent)) if made.parent in names else known[made.parent] if made.parent else None
    fields = tuple(_field(field, names, group, known) for field in made.fields)
    if member.kind == "func":
        fields = tuple(_word(word, names, group, known) for word in member.params)
        result = _word(member.result, names, group, known) if member.result else None
        return Declaration("func", fields, result=result)
    return Declaration(member.kind, fields, parent, made.final)


def _word(word: str, names: list[str], group: Sequence[Member], known: Named) -> FieldType:
    """A parameter or result: constant, as it were."""
    name = word.removeprefix(NON_NULL_PREFIX)
    return _field(field_of(name, mutable=False, nullable=name == word), names, group, known)


def function_type(params: Sequence[str], result: str | None, known: Named) -> HeapObjectType:
    """The type of a function that says no more than its parameters and its result."""
    kinds = tuple(_word(word, [], (), known) for word in params)
    given = _word(result, [], (), known) if result else None
    return declare((Declaration("func", kinds, result=given),))[0]


def _field(field: Field, names: list[str], group: Sequence[Member], known: Named) -> FieldType:
    storage = field.storage
    if not field.is_reference:
        return FieldType(Storage(storage), field.mutable)
    if storage in names:
        place = names.index(storage)
        return FieldType(RefType(HeapType(group[place].kind), field.nullable, Rec(place)), field.mutable)
    found = known.get(storage)
    if found is None:
        return FieldType(RefType(HeapType(storage), field.nullable), field.mutable)
    assert isinstance(found, StructType | ArrayType | FuncType)
    kinds = {StructType: HeapType.STRUCT, ArrayType: HeapType.ARRAY, FuncType: HeapType.FUNC}
    kind = kinds[type(found)]
    return FieldType(RefType(kind, field.nullable, found), field.mutable)
