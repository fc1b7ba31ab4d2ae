"""Instances of the kit: globals and tables that Wasm and the host share (docs/bodies.md, semantics.md 1.1)."""

from typing import TYPE_CHECKING, Any, Final

from twinheap.model.kit import KIT_GLOBALS, KIT_TABLES, TABLE_MAXIMUM, TABLE_MINIMUM, TAGS
from twinheap.targets.heap import objects
from twinheap.targets.heap.anyref import AnyRef, EqRef
from twinheap.targets.heap.arrayref import ArrayRef
from twinheap.targets.heap.exnref import Tag
from twinheap.targets.heap.externref import ExternRef
from twinheap.targets.heap.future import run_to_end
from twinheap.targets.heap.handle import GcRef
from twinheap.targets.heap.kit_types import TAG_TYPES
from twinheap.targets.heap.slots import Global
from twinheap.targets.heap.structref import StructRef
from twinheap.targets.heap.table import Table
from twinheap.targets.heap.wasm_frames import Own

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

HANDLE_TYPES: Final[dict[str, type[GcRef]]] = {
    "extern": ExternRef,
    "any": AnyRef,
    "eq": EqRef,
    "struct": StructRef,
    "array": ArrayRef,
}
"""The types of handles, by the names of storage types."""


class Instance:
    """The kit's globals, tables and tags, and the instance of every body that ran in it.

    `source`: the instance that it has what it `shares` of, and in which far helpers live; itself if there is none.

    Making one gives the store its heap, as instantiating any module with a table of references does. Raises what the
    limiter says to a heap, and `LimiterError` if it may wait.
    """

    __slots__ = ("bodies", "globals", "source", "store", "tables", "tags")

    def __init__(self, store: "Store", source: "Instance | None" = None, shares: tuple[str, ...] = ()) -> None:
        store.require_sync()
        run_to_end(objects.ensure_heap(store))
        self.store = store
        self.source: Instance = source or self
        self.globals: list[Global[Any]] = (
            self.source.globals if "g" in shares else [Global(store, HANDLE_TYPES[name]) for name in KIT_GLOBALS]
        )
        self.tables: list[Table[Any]] = (
            self.source.tables
            if "t" in shares
            else [Table(store, HANDLE_TYPES[name], TABLE_MINIMUM, maximum=TABLE_MAXIMUM) for name in KIT_TABLES]
        )
        self.tags: list[Tag] = self.source.tags if "tag" in shares else [Tag(store, TAG_TYPES[ty.name]) for ty in TAGS]
        self.bodies: dict[int, Own] = {}  # by their numbers

    def close(self) -> None:
        """The host lets go of its handle: what the instance and those of its bodies hold lives as long as the store."""
        self.bodies.clear()  # mutant w33: [cell.set(self.store, None) for cell in self.globals]
