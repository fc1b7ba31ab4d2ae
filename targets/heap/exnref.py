"""Exceptions and their tags, and the store's pending exception (`docs/spec/semantics.md` 1.3, 1.6, 3.2)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from twinheap.targets.heap import objects
from twinheap.targets.heap.errors import HeapPanic, ThrownException
from twinheap.targets.heap.externref import root_from_raw
from twinheap.targets.heap.future import HeapFuture, Steps, run_to_end
from twinheap.targets.heap.handle import GcRef, Handle
from twinheap.targets.heap.layout import HeapType
from twinheap.targets.heap.object_layout import StructLayout
from twinheap.targets.heap.rooted import Rooted, make_rooted
from twinheap.targets.heap.types import TagType
from twinheap.targets.heap.values import Value, check_fields

if TYPE_CHECKING:
    from twinheap.targets.heap.store import Store

FOREIGN_TAG: Final = "tag comes from the wrong store"
HOST_TAG_INDEX: Final = 0  # every tag of the host is the only one of an instance of its own


class Tag:
    """What kind of exception it is. Two tags of one type are different.

    >>> from twinheap.targets.heap import Storage, Store, Tag, TagType
    >>> store = Store("drc")
    >>> first, second = (Tag(store, TagType([Storage.I32])) for _ in range(2))
    >>> Tag.eq(first, first), Tag.eq(first, second)
    (True, False)
    """

    __slots__ = ("instance", "store_id", "ty")

    def __init__(self, store: "Store", ty: TagType) -> None:
        self.store_id = store.id
        self.instance = len(store.tags)
        self.ty = ty
        store.tags.append(self)

    @staticmethod
    def eq(a: "Tag", b: "Tag") -> bool:
        """Are they the same tag?"""
        return a.store_id is b.store_id and a.instance == b.instance


class ExnRef(GcRef):
    """The type of references to exceptions; never instantiated.

    What a handle can do (`field`, `fields`, `tag`) stands with `ObjectAccess`.
    """

    type: ClassVar[HeapType] = HeapType.EXN

    @staticmethod
    def new(store: "Store", tag: Tag, fields: Sequence[Value]) -> "Rooted[ExnRef]":
        """Allocate an exception, rooted in the current scope. Errors and panics as `StructRef.new`.

        Panics first on another store's tag.

        >>> from twinheap.targets.heap import EXTERNREF, ExnRef, ExternRef, Store, Tag, TagType, ThrownException
        >>> store = Store("drc")
        >>> exn = ExnRef.new(store, Tag(store, TagType([EXTERNREF])), [ExternRef.new(store, "reason")])
        >>> try:
        ...     store.throw(exn)
        ... except ThrownException as error:
        ...     print(error)
        thrown Wasm exception
        >>> store.take_pending_exception().field(store, 0).data(store), store.has_pending_exception()
        ('reason', False)
        """
        store.require_sync()
        return run_to_end(_new_steps(store, tag, fields))

    @staticmethod
    def new_async(store: "Store", tag: Tag, fields: Sequence[Value]) -> "HeapFuture[Rooted[ExnRef]]":
        """As `new`, as an awaitable: it may be suspended while collecting, and works with every limiter."""
        return HeapFuture(_new_steps(store, tag, fields))

    @staticmethod
    def from_raw(store: "Store", raw: int) -> "Rooted[ExnRef] | None":
        """A new LIFO root for a raw value; None for 0. See `ExternRef.from_raw`."""
        return root_from_raw(store, raw, ExnRef)


def _new_steps(store: "Store", tag: Tag, values: Sequence[Value]) -> "Steps[Rooted[ExnRef]]":
    try:
        if tag.store_id is not store.id:
            raise HeapPanic(FOREIGN_TAG)
        check_fields(store, tag.ty.fields, values)
        heap = yield from objects.ensure_heap(store)
        layout = heap.layout(tag.ty)
        assert isinstance(layout, StructLayout)
        ref = yield from objects.place(store, heap, layout, layout.size)
        start = heap.header.header_bytes
        bits = objects.encode(store, heap, ref, start, layout.size, layout.fields, values)
        layout.packer.pack_into(heap.data, ref + start, tag.instance, HOST_TAG_INDEX, *bits)
        return make_rooted(store, ref, ExnRef)
    finally:
        if store.verifying:
            store.verify()


def throw(store: "Store", exception: Handle[ExnRef]) -> NoReturn:
    """See `Store.throw`."""
    ref = exception._ref(store)
    heap = store.require_heap()
    heap.expose(ref)
    # A holder like any slot: counted, and what it held before is dropped (K9 and K2 of the original mended).
    # mutant f10: store.pending[0] = 0
    if "k9" in store.defects:
        store.pending[0] = ref
    else:
        # mutant f08 below: store.pending[0] = ref
        heap.write_ref(store.pending, 0, ref)
    if store.verifying:
        store.verify()
    raise ThrownException


def take_pending(store: "Store") -> Rooted[ExnRef] | None:
    """See `Store.take_pending_exception`."""
    ref = store.pending[0]
    if not ref:
        return None
    store.pending[0] = 0  # the slot's count moves to the root  # mutant f16: pass
    rooted = make_rooted(store, ref, ExnRef)
    if store.verifying:
        store.verify()
    return rooted
