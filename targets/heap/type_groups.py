"""Recursion groups: types that are declared together and may refer to each other (`docs/spec/wasm-ops.md` 6.1).

Two groups that say the same are the same types, whoever declares them; types alike in groups that differ are not.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from twinheap.model.body import CACHED
from twinheap.model.declared import Member
from twinheap.model.kit import Field
from twinheap.targets.heap.kit_types import ARRAY_TYPES, STRUCT_TYPES
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.types import (
    ArrayType,
    FieldType,
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
    """One type of a group. Another one of it is named by its place, as `Rec`."""

    is_array: bool
    fields: tuple[FieldType, ...]
    parent: HeapObjectType | Rec | None = None
    final: bool = True


@lru_cache(maxsize=CACHED)
def declare(group: tuple[Declaration, ...]) -> tuple[HeapObjectType, ...]:
    """The types of a group. One that is alone in its group is what the host makes without any.

    >>> field = FieldType(RefType(HeapType.STRUCT, concrete=Rec(0)))
    >>> one, two = declare((Declaration(False, (field,)), Declaration(False, (field,))))
    >>> one == two, one.fields[0].element_type.concrete is one, two.fields[0].element_type.concrete is one
    (False, True, True)
    >>> node = Declaration(False, (field, FieldType(RefType(HeapType.EXTERN))))
    >>> declare((node,))[0] == STRUCT_TYPES["node"]
    True
    """
    alone = len(group) == 1
    made: list[HeapObjectType] = []
    for place, one in enumerate(group):
        fields = [_placed(field, lambda rec: This.THIS) for field in one.fields] if alone else one.fields
        parent = made[one.parent.place] if isinstance(one.parent, Rec) else one.parent
        key = None if alone else (group, place)
        if one.is_array:
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
    return Declaration(member.kind == "array", fields, parent, made.final)


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
    assert isinstance(found, StructType | ArrayType)
    kind = HeapType.ARRAY if isinstance(found, ArrayType) else HeapType.STRUCT
    return FieldType(RefType(kind, field.nullable, found), field.mutable)
