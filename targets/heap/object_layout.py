"""Where the fields of structs, arrays and exceptions lie (`docs/spec/semantics.md` 1.3).

Fields follow the collector's header in declaration order at their natural alignment; an array has
its length and then its elements, an exception its tag (two words) and then its fields.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from twinheap.targets.heap.layout import ARRAY, EXN, STRUCT, TraceInfo, round_up
from twinheap.targets.heap.types import (
    ArrayType,
    FieldType,
    FuncType,
    HeapObjectType,
    RefType,
    Storage,
    StructType,
    TagType,
    is_traced,
)

WORD_BYTES: Final = 4
EXN_TAG_BYTES: Final = 2 * WORD_BYTES  # tag instance and tag index
# Letter of the `struct` module, bytes. References are words.
CODES: Final = {
    Storage.I8: ("B", 1),
    Storage.I16: ("H", 2),  # mutant f12: Storage.I16: ("H", 1),
    Storage.I32: ("I", 4),
    Storage.I64: ("Q", 8),
    Storage.F32: ("I", 4),
    Storage.F64: ("Q", 8),
}
REF_CODE: Final = ("I", WORD_BYTES)


class HeaderLayout(NamedTuple):
    """What a collector prescribes: bytes of the header, alignment of objects, and the smallest struct."""

    header_bytes: int
    align: int
    min_struct_bytes: int = 0


class FieldLayout(NamedTuple):
    """One field: its type, its byte offset from the object's start, and how its number is read and written."""

    type: FieldType
    offset: int
    codec: Struct
    mask: int


class StructLayout:
    """A struct or an exception: `size` bytes; `packer` writes everything behind the header at once."""

    __slots__ = ("fields", "kind", "noun", "packer", "size", "type")

    def __init__(self, ty: StructType | TagType, header: HeaderLayout) -> None:
        self.type: HeapObjectType = ty
        is_exn = isinstance(ty, TagType)
        self.kind, self.noun = (EXN, "exn") if is_exn else (STRUCT, "struct")
        codes = "II" if is_exn else ""
        start = header.header_bytes + (EXN_TAG_BYTES if is_exn else 0)
        align, end = header.align, start
        fields = []
        for field in ty.fields:
            code, size = code_of(field.element_type)
            offset = round_up(end, size)
            codes += "x" * (offset - end) + code
            fields.append(field_layout(field, offset))
            align, end = max(align, size), offset + size
        self.fields: Sequence[FieldLayout] = fields
        self.packer = Struct("<" + codes)
        self.size = round_up(max(end, header.min_struct_bytes), align)

    def trace_info(self) -> TraceInfo:
        """Where the references are."""
        fields = self.fields  # mutant y03: fields = self.fields[: len((self.type.parent or self.type).fields)]
        offsets = [field.offset for field in fields if is_traced(field.type.element_type)]
        return TraceInfo(offsets=offsets)


class ArrayLayout:
    """An array: `base_size` bytes without its elements, which are all like `element`, the first of them."""

    __slots__ = ("base_size", "code", "element", "element_bytes", "kind", "length_offset", "type")

    def __init__(self, ty: ArrayType, header: HeaderLayout) -> None:
        self.type: HeapObjectType = ty
        self.kind = ARRAY
        self.code, self.element_bytes = code_of(ty.field_type.element_type)
        self.length_offset = header.header_bytes
        self.base_size = round_up(self.length_offset + WORD_BYTES, self.element_bytes)
        self.element = field_layout(ty.field_type, self.base_size)

    def size_for_len(self, length: int) -> int:
        """Bytes of an array of so many elements."""
        return self.base_size + length * self.element_bytes

    def trace_info(self) -> TraceInfo:
        """Where the references are."""
        return TraceInfo(elements=self.base_size if is_traced(self.element.type.element_type) else None)


ObjectLayout = StructLayout | ArrayLayout


def code_of(element_type: Storage | RefType) -> tuple[str, int]:
    """The letter and the bytes of a storage type."""
    return CODES[element_type] if isinstance(element_type, Storage) else REF_CODE


def field_layout(field: FieldType, offset: int) -> FieldLayout:
    """A field at an offset."""
    code, _ = code_of(field.element_type)
    codec = Struct("<" + code)
    return FieldLayout(field, offset, codec, (1 << 8 * codec.size) - 1)


def layout_of(ty: HeapObjectType, header: HeaderLayout) -> ObjectLayout:
    """The layout of a type under a collector.

    >>> from twinheap.targets.heap.types import ANYREF
    >>> drc = HeaderLayout(24, 8)
    >>> pair = StructLayout(StructType([FieldType(Storage.I8), FieldType(Storage.I64), FieldType(ANYREF)]), drc)
    >>> [field.offset for field in pair.fields], pair.size
    ([24, 32, 40], 48)
    >>> ArrayLayout(ArrayType(FieldType(ANYREF)), drc).size_for_len(10)
    68
    """
    assert not isinstance(ty, FuncType), "functions are no objects"
    return ArrayLayout(ty, header) if isinstance(ty, ArrayType) else StructLayout(ty, header)
