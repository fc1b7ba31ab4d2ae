"""Types of Wasm's own heap objects: structs, arrays, exceptions (`docs/spec/semantics.md` 1.3, 3.2).

Types are compared by what they say, as an engine's canonicalized types are.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from twinheap.targets.heap.layout import HeapType


class Storage(enum.Enum):
    """A number as it is stored; `I8` and `I16` exist in fields only and are read as 32-bit integers."""

    I8 = "i8"
    I16 = "i16"
    I32 = "i32"
    I64 = "i64"
    F32 = "f32"
    F64 = "f64"

    @property
    def unpacked(self) -> "Storage":
        """The type of the values that fit.

        >>> Storage.I8.unpacked, Storage.F64.unpacked
        (<Storage.I32: 'i32'>, <Storage.F64: 'f64'>)
        """
        return Storage.I32 if self in (Storage.I8, Storage.I16) else self

    def __str__(self) -> str:
        return self.value


class This(enum.Enum):
    """In a field's type: the type that the field belongs to, which has no name yet."""

    THIS = "this"


class Rec(NamedTuple):
    """In a field's type, or for a parent: a type of the recursion group that is being declared, by its place."""

    place: int


class RefType(NamedTuple):
    """A reference to a heap type, null included or not.

    `concrete` narrows `STRUCT` or `ARRAY` down to one type and those below it.

    >>> print(EXTERNREF, RefType(HeapType.STRUCT, nullable=False))
    (ref null extern) (ref struct)
    """

    heap_type: HeapType
    nullable: bool = True
    concrete: "StructType | ArrayType | FuncType | This | Rec | None" = None

    def __str__(self) -> str:
        of = "" if self.concrete is None else "a certain "  # not its fields: types may contain themselves
        return f"(ref {'null ' if self.nullable else ''}{of}{self.heap_type.value})"


EXTERNREF: Final = RefType(HeapType.EXTERN)
ANYREF: Final = RefType(HeapType.ANY)
EQREF: Final = RefType(HeapType.EQ)
I31REF: Final = RefType(HeapType.I31)
STRUCTREF: Final = RefType(HeapType.STRUCT)
ARRAYREF: Final = RefType(HeapType.ARRAY)
EXNREF: Final = RefType(HeapType.EXN)


class FieldType(NamedTuple):
    """A field of a struct, or the elements of an array: what is stored, and whether it can be changed."""

    element_type: Storage | RefType
    mutable: bool = True


class _Composite:
    """Base of the types: equal by what was declared, with the hash kept, since every allocation looks its type up."""

    __slots__ = ("_hash", "declared", "fields", "final", "group", "parent")

    def __init__(
        self,
        fields: Iterable[FieldType],
        *,
        parent: "StructType | ArrayType | None" = None,
        final: bool = True,
        group: tuple[object, int] | None = None,
    ) -> None:
        self.declared = tuple(fields)
        self.parent = parent
        self.final = final
        self.group = group  # of several types: what all of it says, and the place there
        self._hash = hash((type(self).__name__, self.declared, parent, final, group))
        self.fields: Sequence[FieldType] = tuple(self._resolved(field) for field in self.declared)

    def _resolved(self, field: FieldType) -> FieldType:
        """The field with this type in the place of `THIS`."""
        kind = field.element_type
        if isinstance(kind, RefType) and kind.concrete is This.THIS:
            assert isinstance(self, StructType | ArrayType | FuncType)
            return FieldType(RefType(kind.heap_type, kind.nullable, self), field.mutable)
        return field

    def is_subtype(self, wanted: "_Composite") -> bool:
        """Is this type `wanted`, or declared below it?"""
        ty: _Composite | None = self
        while ty is not None and ty != wanted:
            ty = ty.parent  # mutant f20: ty = None
        return ty is not None

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, _Composite)
            and type(other) is type(self)
            and other.group == self.group  # mutant y01: and True
            and (other.declared, other.parent, other.final) == (self.declared, self.parent, self.final)
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        fields = (f"(mut {field.element_type})" if field.mutable else str(field.element_type) for field in self.fields)
        return f"{type(self).__name__}({' '.join(fields)})"


class StructType(_Composite):
    """A struct: fields in the order of declaration.

    With a `parent`, which must not be final, it is a subtype: the parent's fields come first. Raises ValueError
    for a parent that allows none.

    >>> StructType([FieldType(Storage.I8), FieldType(EXTERNREF, mutable=False)])
    StructType((mut i8) (ref null extern))
    >>> node = StructType([FieldType(RefType(HeapType.STRUCT, concrete=This.THIS))])
    >>> node.fields[0].element_type.concrete is node
    True
    """

    __slots__ = ()

    def __init__(
        self,
        fields: Iterable[FieldType],
        *,
        parent: "StructType | None" = None,
        final: bool = True,
        group: tuple[object, int] | None = None,
    ) -> None:
        super().__init__(fields, parent=parent, final=final, group=group)
        if parent is not None and (parent.final or not _is_below(self.declared, parent.declared)):
            raise ValueError("the parent is final, or has other fields")


def _is_below(fields: Sequence[FieldType], above: Sequence[FieldType]) -> bool:
    """Has a subtype the fields of its parent, which are the numbers and the mutability that it says?

    Of references to what types, validation has looked at: those of a type that cannot be changed may be narrower.
    """
    return len(fields) >= len(above) and all(
        own.mutable == one.mutable
        and (
            own.element_type == one.element_type
            or (isinstance(own.element_type, RefType) and isinstance(one.element_type, RefType))
        )
        for own, one in zip(fields, above, strict=False)
    )


class ArrayType(_Composite):
    """An array of elements of one type; its length belongs to the object.

    >>> ArrayType(FieldType(ANYREF)) == ArrayType(FieldType(ANYREF, mutable=False))
    False
    """

    __slots__ = ()

    def __init__(
        self,
        field_type: FieldType,
        *,
        parent: "ArrayType | None" = None,
        final: bool = True,
        group: tuple[object, int] | None = None,
    ) -> None:
        super().__init__((field_type,), parent=parent, final=final, group=group)

    @property
    def field_type(self) -> FieldType:
        """The type of the elements."""
        return self.fields[0]


class TagType(_Composite):
    """The payload of an exception: the parameters of its tag. They are never packed and cannot be changed.

    Raises ValueError for a packed parameter.
    """

    __slots__ = ()

    def __init__(self, params: Iterable[Storage | RefType]) -> None:
        super().__init__(FieldType(param, mutable=False) for param in params)
        if any(field.element_type in (Storage.I8, Storage.I16) for field in self.fields):
            raise ValueError("a tag's parameters cannot be packed")


class FuncType(_Composite):
    """A function type: its parameters, and behind them its result, if it `gives` one."""

    __slots__ = ("gives",)

    def __init__(self, kinds: Iterable[FieldType], *, gives: bool, group: tuple[object, int] | None = None) -> None:
        super().__init__(kinds, group=group)
        self.gives = gives

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, FuncType) and other.gives == self.gives

    __hash__ = _Composite.__hash__


HeapObjectType = StructType | ArrayType | FuncType | TagType


def is_traced(element_type: Any) -> bool:
    """May a field of this type hold an object? An i31ref or a function never is one (section 6.4)."""
    return isinstance(element_type, RefType) and element_type.heap_type not in UNTRACED


FUNCTIONS: Final = frozenset({HeapType.FUNC, HeapType.NOFUNC})
"""The types of references to functions, which are numbers."""

UNTRACED: Final = FUNCTIONS | {HeapType.I31}
