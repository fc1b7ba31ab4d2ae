"""Bytes of a GC object: reference encoding, kinds, headers (`docs/spec/semantics.md` 1.2, 1.3).

A reference is 32 bits: 0 is null, an odd number an i31, anything else the byte index of an
object in the flat heap. Every object starts with the common header of two words: kind in the
top 6 bits of the first (the other 26 belong to the collector), engine type index in the second.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

PAGE_BYTES: Final = 64 * 1024  # a Wasm page: the heap grows by whole ones
MAX_HEAP_BYTES: Final = 1 << 32  # what 32-bit references can address
NO_TYPE: Final = 0xFFFF_FFFF  # type index of the objects without a Wasm type: externrefs

KIND_MASK: Final = 0b111111 << 26
EXTERN: Final = 0b010000 << 26
ANY: Final = 0b100000 << 26
EQ: Final = 0b101000 << 26
ARRAY: Final = 0b101010 << 26
STRUCT: Final = 0b101100 << 26
EXN: Final = 0b000001 << 26
OBJECT_KINDS: Final = frozenset({EXTERN, ARRAY, STRUCT, EXN})  # kinds that an object can have


class HeapType(enum.Enum):
    """What a reference turns out to be when one looks at its tag and its header."""

    EXTERN = "extern"
    ANY = "any"
    EQ = "eq"
    I31 = "i31"
    STRUCT = "struct"
    ARRAY = "array"
    EXN = "exn"
    NONE = "none"  # of types only: nothing turns out to be one of these
    NOEXTERN = "noextern"
    FUNC = "func"
    NOFUNC = "nofunc"
    NOEXN = "noexn"


HEAP_TYPE_OF_KIND: Final = {
    EXTERN: HeapType.EXTERN,
    ARRAY: HeapType.ARRAY,
    STRUCT: HeapType.STRUCT,
    EXN: HeapType.EXN,
}


def kind_matches(kind: int, general: int) -> bool:
    """Is `kind` the kind `general` or one below it? Kinds form a bit lattice (section 1.3).

    >>> kind_matches(STRUCT, EQ), kind_matches(STRUCT, ANY), kind_matches(EXTERN, ANY)
    (True, True, False)
    """
    return kind & general == general


class TraceInfo(NamedTuple):
    """Where the objects of one engine type hold references.

    `offsets` are byte offsets of reference fields from the object's start (structs, exceptions);
    `elements` is the byte offset of the first element of an array of references, or None.
    """

    offsets: Sequence[int] = ()
    elements: int | None = None


def children(words: memoryview, ref: int, infos: Sequence[TraceInfo]) -> list[int]:
    """The references held by the object at `ref`, null included, first field or element first.

    Externrefs hold none: what they wrap is host data. The length word of an array lies right
    before its elements, in every collector.
    """
    word = ref >> 2
    if words[word] & KIND_MASK == EXTERN:
        return []
    info = infos[words[word + 1]]
    if info.elements is not None:
        first = (ref + info.elements) >> 2
        return list(words[first : first + words[first - 1]])
    return [words[(ref + offset) >> 2] for offset in info.offsets]


def rewrite_children(words: memoryview, ref: int, infos: Sequence[TraceInfo], move: Callable[[int], int]) -> None:
    """Replace every object reference held by the object at `ref` with `move(reference)`."""
    word = ref >> 2
    if words[word] & KIND_MASK == EXTERN:
        return
    info = infos[words[word + 1]]
    if info.elements is not None:
        first = (ref + info.elements) >> 2
        places = range(first, first + words[first - 1])
        at: Sequence[int] = places
    else:
        at = [(ref + offset) >> 2 for offset in info.offsets]  # mutant f04: at = ()
    for place in at:
        child = words[place]
        if child and not child & 1:
            words[place] = move(child)


def round_up(size: int, granule: int) -> int:
    """The smallest multiple of `granule` that is not below `size`."""
    return -(-size // granule) * granule
