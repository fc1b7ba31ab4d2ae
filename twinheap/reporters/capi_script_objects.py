"""Structs, arrays and exceptions in stand-alone scripts, from Wasmtime 45 on; copied as `capi_script_ops.py` is."""

# ruff: noqa: D102 -- each method is one op; docs/spec/program-ir.md 8.1 says what it does
from __future__ import annotations

import ctypes
from typing import Any

from twinheap.reporters.capi_script import ANY, EXN, EXTERN, KINDS, PTR, U32, ByteVec, Handle, Store
from twinheap.reporters.capi_script_ops import bytes_in_use
from twinheap.reporters.capi_script_wasm import WasmApi

FUNC = 5  # WASMTIME_FUNCREF
NUMBERS: dict[int, Any] = {0: ctypes.c_int32, 1: ctypes.c_int64, 2: ctypes.c_float, 3: ctypes.c_double}


class ObjectApi(WasmApi):
    """Each method does one op, and prints what came of it."""

    def object_types(self, text: str, structs: tuple[str, ...], arrays: tuple[str, ...]) -> None:
        """The types that a module imports globals of: structs, then arrays."""
        self.named = text, structs, arrays
        imports, opened = ByteVec(), ctypes.create_string_buffer(32)
        module = self.compile(text)
        self.call("wasmtime_module_imports", None, PTR(module), ctypes.byref(imports))
        self.object_type: dict[str, int] = {}
        for name, pointer in zip(structs + arrays, (PTR * imports.size).from_address(imports.data), strict=True):
            kind = self.call("wasm_importtype_type", PTR, PTR(pointer))
            as_global = self.call("wasm_externtype_as_globaltype_const", PTR, PTR(kind))
            content = self.call("wasm_globaltype_content", PTR, PTR(as_global))
            self.call("wasmtime_valtype_new", None, PTR(content), ctypes.byref(opened))
            self.object_type[name] = PTR.from_buffer(opened, 24).value or 0
        self.call("wasm_importtype_vec_delete", None, ctypes.byref(imports))
        self.call("wasmtime_module_delete", None, PTR(module))

    def type_of(self, name: str) -> int:
        """The pointer of a struct or array type, made anew if it was dropped."""
        if not self.object_type:
            self.object_types(*self.named)
        return self.object_type[name]

    def modules_drop(self, store: Store) -> None:
        for name, pointer in getattr(self, "object_type", {}).items():
            kind = "struct" if name in self.named[1] else "array"
            self.call(f"wasmtime_{kind}_type_delete", None, PTR(pointer))
        self.object_type = {}
        super().modules_drop(store)

    def _fields(self, store: Store, fields: tuple[tuple[str, Any], ...]) -> Any:
        """An array of wasmtime_val_t."""
        values = ctypes.create_string_buffer(self.val_size * max(1, len(fields)))
        for at, (kind, value) in enumerate(fields):
            address = ctypes.addressof(values) + self.val_size * at
            if kind in ("extern", "any"):
                value = value or self._handle(store, EXTERN if kind == "extern" else ANY)
                ctypes.memmove(address, value.val, self.val_size)
            else:
                self._write(address, ("i32", "i64", "f32", "f64").index(kind), value)
        return values

    def _write(self, address: int, kind: int, number: int) -> None:
        ctypes.c_uint8.from_address(address).value = kind
        NUMBERS[kind].from_address(address + 8).value = number

    def _made(self, handle: Handle, error: int | None) -> Handle | None:
        self.say(self.failed(error))
        return None if error else handle

    def struct_new(self, store: Store, name: str, *fields: tuple[str, Any]) -> Handle | None:
        handle, values, context = self._handle(store, ANY), self._fields(store, fields), PTR(store.context)
        made = self.call("wasmtime_struct_ref_pre_new", PTR, context, PTR(self.type_of(name)))
        size = ctypes.c_size_t(len(fields))
        error = self.call("wasmtime_structref_new", PTR, context, PTR(made), values, size, PTR(handle.at))
        self.call("wasmtime_struct_ref_pre_delete", None, PTR(made))
        return self._made(handle, error)

    def array_new(self, store: Store, name: str, length: int, element: tuple[str, Any]) -> Handle | None:
        handle, values, context = self._handle(store, ANY), self._fields(store, (element,)), PTR(store.context)
        made = self.call("wasmtime_array_ref_pre_new", PTR, context, PTR(self.type_of(name)))
        error = self.call("wasmtime_arrayref_new", PTR, context, PTR(made), values, U32(length), PTR(handle.at))
        self.call("wasmtime_array_ref_pre_delete", None, PTR(made))
        return self._made(handle, error)

    def _tag(self, store: Store, fields: tuple[tuple[str, Any], ...]) -> Any:
        """A new tag for exceptions with such fields."""
        params, results = ByteVec(), ByteVec()
        types = (PTR * len(fields))(*(self._copy(EXTERN if kind == "extern" else ANY).value for kind, _ in fields))
        self.call("wasm_valtype_vec_new", None, ctypes.byref(params), ctypes.c_size_t(len(fields)), types)
        made = self.call("wasm_functype_new", PTR, ctypes.byref(params), ctypes.byref(results))
        tag, tag_type = ctypes.create_string_buffer(24), self.call("wasm_tagtype_new", PTR, PTR(made))
        self.call("wasmtime_tag_new", PTR, PTR(store.context), PTR(tag_type), tag)
        return tag

    def exn_new(self, store: Store, *fields: tuple[str, Any]) -> Handle | None:
        tag = self._tag(store, fields)
        handle, values, size = self._handle(store, EXN), self._fields(store, fields), ctypes.c_size_t(len(fields))
        error = self.call("wasmtime_exnref_new", PTR, PTR(store.context), tag, values, size, PTR(handle.at))
        return self._made(handle, error)

    def chain(self, store: Store, count: int) -> Handle | None:
        """A list of nodes; only its head stays rooted."""
        made, head = 0, self._handle(store, ANY)
        context = PTR(store.context)
        pre = self.call("wasmtime_struct_ref_pre_new", PTR, context, PTR(self.type_of("node")))
        while made < count:
            link, values = self._handle(store, ANY), self._fields(store, (("any", head), ("extern", None)))
            size = ctypes.c_size_t(2)
            if self.call("wasmtime_structref_new", PTR, context, PTR(pre), values, size, PTR(link.at)):
                break
            if made:
                self._unroot(head)
            head, made = link, made + 1
        self.call("wasmtime_struct_ref_pre_delete", None, PTR(pre))
        self.say(f"ok({made})")
        return head if made else None

    def churn_reads(self, store: Store, what: str, count: int, most: int) -> None:
        """Casts a struct or reads its field `count` times; the second half may add `most` bytes to what malloc gave."""
        context, root, made = PTR(store.context), self._handle(store, ANY), self._handle(store, ANY)
        self.call("wasmtime_anyref_from_i31", None, context, U32(1), PTR(root.at))
        values, size = self._fields(store, (("extern", None), ("any", root))), ctypes.c_size_t(2)
        pre = self.call("wasmtime_struct_ref_pre_new", PTR, context, PTR(self.type_of("pair")))
        error = self.call("wasmtime_structref_new", PTR, context, PTR(pre), values, size, PTR(made.at))
        self.call("wasmtime_struct_ref_pre_delete", None, PTR(pre))
        grown, spare = 0, self._handle(store, ANY)
        for half in (count - count // 2, count // 2):
            before = bytes_in_use()
            for _ in range(0 if error else half):
                if what == "field":
                    self.call(
                        "wasmtime_structref_field", PTR, context, PTR(made.at), ctypes.c_size_t(1), PTR(spare.val)
                    )
                    self._unroot(spare)
                elif self.call("wasmtime_anyref_as_eqref", ctypes.c_bool, context, PTR(made.at), PTR(spare.at)):
                    self.call("wasmtime_eqref_unroot", None, PTR(spare.at))
            grown = bytes_in_use() - before
        for handle in (root, made):
            self._unroot(handle)
        self.say("ok" if grown <= most else f"{grown} bytes")

    def churn_objects(self, store: Store, what: str, count: int, most: int) -> None:
        """Makes and drops `count` objects; the second half may add `most` bytes to what malloc has handed out."""
        context, handle = PTR(store.context), self._handle(store, EXN if what == "exn" else ANY)
        fields = [("any", None)] * (what == "struct") + [("extern", None)]
        values, size, tag = self._fields(store, tuple(fields)), ctypes.c_size_t(len(fields)), PTR()
        if what == "exn":
            tag = self._tag(store, tuple(fields))
        else:
            of = self.type_of("node" if what == "struct" else "externs")
            pre = self.call(f"wasmtime_{what}_ref_pre_new", PTR, context, PTR(of))
        grown = 0
        for half in (count - count // 2, count // 2):
            before = bytes_in_use()
            for number in range(half):
                if what == "exn":
                    error = self.call("wasmtime_exnref_new", PTR, context, tag, values, size, PTR(handle.at))
                else:
                    length = size if what == "struct" else U32(3)
                    error = self.call(f"wasmtime_{what}ref_new", PTR, context, PTR(pre), values, length, PTR(handle.at))
                if error:
                    self.failed(error)
                else:
                    self._unroot(handle)
                if number % 256 == 255:
                    self._collect(store.context)
            self._collect(store.context)
            grown = bytes_in_use() - before
        if what != "exn":
            self.call(f"wasmtime_{what}_ref_pre_delete", None, PTR(pre))
        self.say("ok" if grown <= most else f"{grown} bytes")

    # --- fields and elements

    def _read(self, function: str, handle: Handle, index: int) -> tuple[int | None, Any]:
        """The error, and a wasmtime_val_t; a reference in it is rooted."""
        value = ctypes.create_string_buffer(self.val_size)
        place = U32(index) if "array" in function else ctypes.c_size_t(index)
        error = self.call(f"wasmtime_{function}", PTR, PTR(handle.store.context), PTR(handle.at), place, value)
        return error, value

    def _let_go(self, store: Store, value: Any) -> None:
        """Unroots the reference in a wasmtime_val_t that _read gave."""
        if value[0][0] in KINDS:
            handle = self._handle(store, KINDS.index(value[0][0]))
            ctypes.memmove(handle.val, value, self.val_size)
            self._unroot(handle)

    def _get(self, function: str, handle: Handle, index: int, type_: int) -> Handle | None:
        error, value = self._read(function, handle, index)
        if error:
            self.say(self.failed(error))
            return None
        if value[0][0] != KINDS[type_]:
            self._let_go(handle.store, value)
            self.say("ok(absent)")
            return None
        made = self._handle(handle.store, type_)
        ctypes.memmove(made.val, value, self.val_size)
        return self._rooted(made)

    def struct_get(self, handle: Handle, index: int, type_: int) -> Handle | None:
        return self._get("structref_field", handle, index, type_)

    def array_get(self, handle: Handle, index: int, type_: int) -> Handle | None:
        return self._get("arrayref_get", handle, index, type_)

    def exn_get(self, handle: Handle, index: int, type_: int) -> Handle | None:
        return self._get("exnref_field", handle, index, type_)

    def _get_number(self, function: str, handle: Handle, index: int) -> None:
        error, value = self._read(function, handle, index)
        if error:
            self.say(self.failed(error))
        elif value[0][0] in (FUNC, *KINDS):
            self._let_go(handle.store, value)
            self.say("ok(absent)")
        else:
            self.say(f"ok({int(NUMBERS[value[0][0]].from_buffer(value, 8).value)})")

    def struct_get_number(self, handle: Handle, index: int) -> None:
        self._get_number("structref_field", handle, index)

    def array_get_number(self, handle: Handle, index: int) -> None:
        self._get_number("arrayref_get", handle, index)

    def _set(self, read: str, write: str, handle: Handle, index: int, value: Handle | int | None) -> None:
        """Writes a reference, or a number as the field's type wants it."""
        error, before = self._read(read, handle, index)
        kind = 0 if error else before[0][0]
        if not error:
            self._let_go(handle.store, before)
        made = value if isinstance(value, Handle) else self._handle(handle.store, EXTERN if kind == KINDS[0] else ANY)
        if isinstance(value, int):
            kind = 0 if kind in (FUNC, *KINDS) else kind
            number = value << 32 | value if kind == 1 else value & 0xFFFFFF if kind == 2 else value
            self._write(made.val, kind, number)
        elif value is None and kind == FUNC:
            ctypes.memset(made.val, 0, self.val_size)
            ctypes.c_uint8.from_address(made.val).value = kind
        place = U32(index) if "array" in write else ctypes.c_size_t(index)
        context, at = PTR(handle.store.context), PTR(handle.at)
        self.say(self.failed(self.call(f"wasmtime_{write}", PTR, context, at, place, PTR(made.val))))

    def struct_set(self, handle: Handle, index: int, value: Handle | int | None) -> None:
        self._set("structref_field", "structref_set_field", handle, index, value)

    def array_set(self, handle: Handle, index: int, value: Handle | int | None) -> None:
        self._set("arrayref_get", "arrayref_set", handle, index, value)

    def struct_set_number(self, handle: Handle, index: int, number: int) -> None:
        self.struct_set(handle, index, number)

    def array_set_number(self, handle: Handle, index: int, number: int) -> None:
        self.array_set(handle, index, number)

    def array_len(self, handle: Handle) -> None:
        length, context = U32(), PTR(handle.store.context)
        error = self.call("wasmtime_arrayref_len", PTR, context, PTR(handle.at), ctypes.byref(length))
        self.say(self.failed(error) if error else f"ok({length.value})")

    def null_object(self, store: Store, use: str) -> None:
        """A null handle where an object should be."""
        null, value = self._handle(store, EXN if use in ("exn_get", "throw") else ANY), self._handle(store, ANY)
        given = PTR(store.context), PTR(null.at)
        if use == "throw":
            trap = self.call("wasmtime_context_set_exception", PTR, *given)
            if trap:
                self.call("wasm_trap_delete", None, PTR(trap))
            self.say("err:other" if trap else "ok")
            return
        function, *more = {
            "struct_get": ("structref_field", ctypes.c_size_t(0), PTR(value.val)),
            "struct_set": ("structref_set_field", ctypes.c_size_t(0), PTR(value.val)),
            "array_get": ("arrayref_get", U32(0), PTR(value.val)),
            "array_set": ("arrayref_set", U32(0), PTR(value.val)),
            "array_len": ("arrayref_len", PTR(value.val)),
            "exn_get": ("exnref_field", ctypes.c_size_t(0), PTR(value.val)),
        }[use]
        self.say(self.failed(self.call(f"wasmtime_{function}", PTR, *given, *more)))

    # --- pending exceptions

    def throw(self, handle: Handle) -> None:
        """The trap that it makes is for callbacks."""
        trap = self.call("wasmtime_context_set_exception", PTR, PTR(handle.store.context), PTR(handle.at))
        self.call("wasm_trap_delete", None, PTR(trap))
        self.say("exn")

    def raise_exn(self, exception: Handle | None) -> None:
        """The callback will throw it, or what is pending then."""
        run, store = self.runs[-1], self.runs[-1].inst.store
        kept = self._clone(exception) if exception else None

        def throw() -> int | None:
            handle = kept or self._handle(store, EXN)
            place = PTR(handle.at)
            if not kept and not self.call("wasmtime_context_take_exception", ctypes.c_bool, PTR(run.context), place):
                return None
            trap: int = self.call("wasmtime_context_set_exception", PTR, PTR(run.context), place)
            self._unroot(handle)
            return trap

        run.trap, run.throw = False, throw
        self.say("ok")

    def exn_take(self, store: Store) -> Handle | None:
        handle = self._handle(store, EXN)
        if not self.call("wasmtime_context_take_exception", ctypes.c_bool, PTR(store.context), PTR(handle.at)):
            self.say("ok(null)")
            return None
        return self._rooted(handle)

    def exn_pending(self, store: Store) -> None:
        self.say(f"ok({self.call('wasmtime_context_has_exception', ctypes.c_bool, PTR(store.context))})")
