"""The ops of stand-alone scripts; `script.py` copies the source from the class on, behind that of `capi_script.py`."""

# ruff: noqa: D102 -- each method is one op; docs/spec/program-ir.md 8.1 says what it does
from __future__ import annotations

import ctypes

from twinheap.reporters.capi_script import ANY, EXN, EXTERN, I64, PTR, U32, U64, CApi, Handle, Item, Store


class Api(CApi):
    """Each method does one op, and prints what came of it."""

    def store_new(self, limit: int) -> Store:
        pointer = self.call("wasmtime_store_new", PTR, PTR(self.engine), None, None)
        store = Store(pointer, self.call("wasmtime_store_context", PTR, PTR(pointer)))
        self.set_limit(store, limit)
        return store

    def set_limit(self, store: Store, limit: int) -> None:
        rest = (I64(-1),) * 4
        self.call("wasmtime_store_limiter", None, PTR(store.pointer), I64(limit), *rest)
        self.say("ok")

    def store_drop(self, store: Store) -> None:
        self.call("wasmtime_store_delete", None, PTR(store.pointer))
        self.say("ok")

    def pool_fill(self, _: Store, most: int) -> None:
        """Stores with a heap, up to `most`; one that gets none asks again when another ended."""
        stores: list[int] = []
        again, given = True, 0
        while again and given < most:
            stores.append(self.call("wasmtime_store_new", PTR, PTR(self.engine), None, None))
            again = self._extern_in(stores[-1])
            given += again
        if not again:
            if given:
                self.call("wasmtime_store_delete", None, PTR(stores.pop(0)))
            again = self._extern_in(stores[-1])
        for pointer in stores:
            self.call("wasmtime_store_delete", None, PTR(pointer))
        self.say(f"ok({given}, {again})")

    def _extern_in(self, pointer: int) -> bool:
        context, out = (
            self.call("wasmtime_store_context", PTR, PTR(pointer)),
            ctypes.create_string_buffer(self.val_size),
        )
        made: bool = self.call("wasmtime_externref_new", ctypes.c_bool, PTR(context), None, None, out)
        return made

    def gc(self, store: Store) -> None:
        self.say(self.failed(self._collect(store.context)))

    def _collect(self, context: int) -> int | None:
        error: int | None = self.call("wasmtime_context_gc", PTR if self.major >= 42 else None, PTR(context))
        return error

    def sync(self, store: Store) -> None:
        self.say("ok")

    def _new(self, store: Store, value: int) -> Handle | None:
        handle = self._handle(store, EXTERN)
        made = self.call(
            "wasmtime_externref_new", ctypes.c_bool, PTR(store.context), PTR(value + 1), self.finalizer, PTR(handle.at)
        )
        return handle if made else None

    def ext_new_owned(self, store: Store, value: int) -> Handle | None:
        handle = self._new(store, value)
        self.say("ok" if handle else "err:oom")
        return handle

    def i31_new_owned(self, store: Store, payload: int) -> Handle:
        handle = self._handle(store, ANY)
        self.call("wasmtime_anyref_from_i31", None, PTR(store.context), U32(payload), PTR(handle.at))
        self.say("ok")
        return handle

    def oclone(self, owned: Handle) -> Handle:
        handle = self._clone(owned)
        self.say("ok")
        return handle

    def odrop(self, owned: Handle) -> None:
        self._unroot(owned)
        self.say("ok")

    def to_raw(self, handle: Handle) -> tuple[Store, int]:
        raw = self._raw(handle)
        self.say("ok(nonnull)" if raw else "ok(null)")
        return handle.store, raw

    def from_raw_owned(self, raw: tuple[Store, int], type_: int) -> Handle | None:
        return self.from_imm_owned(raw[0], raw[1], type_)

    def from_imm_owned(self, store: Store, raw: int, type_: int) -> Handle | None:
        handle = self._handle(store, type_)
        self.call(f"wasmtime_{self._kind(handle)}_from_raw", None, PTR(store.context), U32(raw), PTR(handle.at))
        return self._rooted(handle)

    def _convert(self, owned: Handle, type_: int) -> Handle:
        handle = self._handle(owned.store, type_)
        name = f"wasmtime_{self._kind(handle)}_from_raw"
        self.call(name, None, PTR(owned.store.context), U32(self._raw(owned)), PTR(handle.at))
        self.say("ok")
        return handle

    def conv_any_owned(self, owned: Handle) -> Handle:
        return self._convert(owned, ANY)

    def conv_ext_owned(self, owned: Handle) -> Handle:
        return self._convert(owned, EXTERN)

    def data(self, handle: Handle) -> None:
        value = self._data(handle.store.context, handle.at)
        self.say("ok(none)" if value is None else f"ok({value}, {self.payloads.get(value, 0)})")

    def data_set(self, handle: Handle, number: int) -> None:
        value = self._data(handle.store.context, handle.at)
        if value is not None:
            self.payloads[value] = number
        self.say("ok(none)" if value is None else "ok")

    def _data(self, context: int, reference: int) -> int | None:
        """The value of an externref, also if it is seen as any."""
        found = self.call("wasmtime_externref_data", PTR, PTR(context), PTR(reference))
        return None if found is None else found - 1

    def _i31(self, context: int, reference: int) -> int | None:
        """The payload of an i31, also if it is seen as extern."""
        payload = U32()
        name = "wasmtime_anyref_i31_get_u"
        found = self.call(name, ctypes.c_bool, PTR(context), PTR(reference), ctypes.byref(payload))
        return payload.value if found else None

    def _raw(self, handle: Handle) -> int:
        raw: int = self.call(f"wasmtime_{self._kind(handle)}_to_raw", U32, PTR(handle.store.context), PTR(handle.at))
        return raw

    def kind(self, handle: Handle) -> None:
        context, reference = handle.store.context, handle.at
        payload = None if handle.type == EXN else self._i31(context, reference)
        if handle.type == EXN:
            self.say("ok(exn)")
        elif self._data(context, reference) is not None:
            self.say("ok(extern)")
        elif payload is None:
            self.say("ok(array)" if self._is_array(context, reference) else "ok(struct)")
        else:
            self.say(f"ok(i31, {self._raw(handle) >> 1 if handle.type == EXTERN else payload})")

    def _is_array(self, context: int, reference: int) -> bool:
        found: bool = self.call("wasmtime_anyref_is_array", ctypes.c_bool, PTR(context), PTR(reference))
        return found

    def eq(self, left: Handle, right: Handle) -> None:
        one, two = (self._data(handle.store.context, handle.at) for handle in (left, right))
        if one is None and two is None:
            one, two = self._raw(left), self._raw(right)
        self.say(f"ok({one == two})")

    def fill(self, store: Store, count: int, value: int) -> list[Handle]:
        made: list[Handle] = []
        while len(made) < count and (handle := self._new(store, value + len(made))) is not None:
            made.append(handle)
        self.say(f"ok({len(made)})")
        return made

    def free(self, filled: list[Handle], pattern: int) -> None:
        last = slice(max(0, len(filled) - 1), None)
        chosen = filled[(slice(None), slice(1, None, 2), slice(0, 1), last)[pattern]]
        for handle in chosen:
            self._unroot(handle)
            filled.remove(handle)
        self.say("ok")

    def global_new(self, store: Store, type_: int, mutable: int, value: Handle | None) -> Item | None:
        kind = self.call("wasm_globaltype_new", PTR, self._copy(type_), ctypes.c_uint8(mutable))
        item, value = Item(store, type_, self.item_size), value or self._handle(store, type_)
        error = self.call("wasmtime_global_new", PTR, PTR(store.context), PTR(kind), PTR(value.val), PTR(item.at))
        self.say(self.failed(error))
        return None if error else item

    def global_get_owned(self, item: Item) -> Handle | None:
        handle = self._handle(item.store, item.type)
        self.call("wasmtime_global_get", None, PTR(item.store.context), PTR(item.at), PTR(handle.val))
        return self._rooted(handle)

    def global_set(self, item: Item, value: Handle | None) -> None:
        value = value or self._handle(item.store, item.type)
        error = self.call("wasmtime_global_set", PTR, PTR(item.store.context), PTR(item.at), PTR(value.val))
        self.say(self.failed(error))

    def table_new(self, store: Store, type_: int, minimum: int, maximum: int, value: Handle | None) -> Item | None:
        limits = (U32 * 2)(minimum, 0xFFFFFFFF if maximum < 0 else maximum)
        kind = self.call("wasm_tabletype_new", PTR, self._copy(type_), ctypes.byref(limits))
        item, value = Item(store, type_, self.item_size), value or self._handle(store, type_)
        error = self.call("wasmtime_table_new", PTR, PTR(store.context), PTR(kind), PTR(value.val), PTR(item.at))
        self.say(self.failed(error))
        return None if error else item

    def table_get_owned(self, item: Item, index: int) -> Handle | None:
        handle = self._handle(item.store, item.type)
        context, place = PTR(item.store.context), PTR(item.at)
        if not self.call("wasmtime_table_get", ctypes.c_bool, context, place, U64(index), PTR(handle.val)):
            self.say("ok(absent)")
            return None
        return self._rooted(handle)

    def table_set(self, item: Item, index: int, value: Handle | None) -> None:
        value = value or self._handle(item.store, item.type)
        context, place = PTR(item.store.context), PTR(item.at)
        error = self.call("wasmtime_table_set", PTR, context, place, U64(index), PTR(value.val))
        self.say(self.failed(error))

    def table_grow(self, item: Item, delta: int, value: Handle | None) -> None:
        value, before = value or self._handle(item.store, item.type), U64()
        context, place = PTR(item.store.context), PTR(item.at)
        error = self.call("wasmtime_table_grow", PTR, context, place, U64(delta), PTR(value.val), ctypes.byref(before))
        self.say(self.failed(error) if error else f"ok({before.value})")

    def table_size(self, item: Item) -> None:
        self.say(f"ok({self.call('wasmtime_table_size', U64, PTR(item.store.context), PTR(item.at))})")

    def wrong_store(self, store: Store, handle: Handle, use: int) -> None:
        if use == 0:
            self.call("wasmtime_externref_data", PTR, PTR(store.context), PTR(handle.at))
        elif use == 1:
            self.call(f"wasmtime_{self._kind(handle)}_to_raw", U32, PTR(store.context), PTR(handle.at))
        else:
            self.global_new(store, handle.type, 1, handle)
        self.say("ok")

    def churn(self, store: Store, what: str, count: int, most: int) -> None:
        """Makes and drops `count` handles; the second half may add `most` bytes to what malloc has handed out."""
        root = self._handle(store, ANY)
        self.call("wasmtime_anyref_from_i31", None, PTR(store.context), U32(1), PTR(root.at))
        kind = self.call("wasm_globaltype_new", PTR, self._copy(ANY), ctypes.c_uint8(1))
        item, spare, held = Item(store, ANY, self.item_size), self._handle(store, ANY), self._handle(store, EXTERN)
        if what == "global":
            self.call("wasmtime_global_new", PTR, PTR(store.context), PTR(kind), PTR(root.val), PTR(item.at))
        grown = 0
        for half in (count - count // 2, count // 2):
            before = bytes_in_use()
            for number in range(half):
                if what == "extern":
                    if self.call("wasmtime_externref_new", ctypes.c_bool, PTR(store.context), None, None, PTR(held.at)):
                        self._unroot(held)
                    if number % 256 == 255:
                        self._collect(store.context)
                    continue
                if what == "i31":
                    self.call("wasmtime_anyref_from_i31", None, PTR(store.context), U32(number), PTR(spare.at))
                elif what == "clone":
                    spare = self._clone(root)
                else:
                    self.call("wasmtime_global_get", None, PTR(store.context), PTR(item.at), PTR(spare.val))
                self._unroot(spare)
            if what == "extern":
                self._collect(store.context)
            grown = bytes_in_use() - before
        self._unroot(root)
        self.say("ok" if grown <= most else f"{grown} bytes")

    def churn_table(self, store: Store, what: str, count: int, most: int) -> None:
        """Reads a table `count` times; the second half may add `most` bytes to what malloc has handed out."""
        root = self._handle(store, ANY)
        self.call("wasmtime_anyref_from_i31", None, PTR(store.context), U32(1), PTR(root.at))
        item, spare, grown = Item(store, ANY, self.item_size), self._handle(store, ANY), 0
        kind = self.call("wasm_tabletype_new", PTR, self._copy(ANY), ctypes.byref((U32 * 2)(1, 0xFFFFFFFF)))
        self.call("wasmtime_table_new", PTR, PTR(store.context), PTR(kind), PTR(root.val), PTR(item.at))
        for half in (count - count // 2, count // 2):
            before = bytes_in_use()
            for _ in range(half):
                place = (PTR(store.context), PTR(item.at), U64(0), PTR(spare.val))
                self.call("wasmtime_table_get", ctypes.c_bool, *place)
                self._unroot(spare)
            grown = bytes_in_use() - before
        self._unroot(root)
        self.say("ok" if grown <= most else f"{grown} bytes")


class Mallinfo(ctypes.Structure):
    """struct mallinfo2."""

    _fields_ = tuple((f"field{at}", ctypes.c_size_t) for at in range(10))


def bytes_in_use() -> int:
    """What malloc has handed out and not got back."""
    function = ctypes.CDLL(None).mallinfo2
    function.restype = Mallinfo
    info = function()
    return int(info.field7 + info.field4)
