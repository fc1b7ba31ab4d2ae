"""Killers of the mutants of structs, arrays and exceptions."""

KIB = 1024


def m29(p):
    with p.scope():
        array = p.own(p.array("extern", *[p.n(value) for value in (1, 2, 3)]))
    array.drop()
    p.gc()


def m30(p):
    head = None
    for number in range(2000):
        with p.scope():
            held = [p.n(number)] if head is None else [head]
            following = p.own(p.struct(["extern" if head is None else "any"], *held))
        if head is not None:
            head.drop()
        head = following
    head.drop()
    p.gc()


def m31(p):
    with p.scope():
        value = p.n(1)
        structs = [p.own(p.struct(["extern"], value)) for _ in range(2)]
    for struct in structs:
        struct.drop()
    p.gc()


def m35(p):
    p.limits.memory_size = 64 * KIB
    for handle in [p.N(value) for value in range(2047)]:
        handle.drop()
    p.gc()
    p.see(p.heap.ArrayRef.new(p.store, p.array_type("extern"), None, 16_000).len(p.store))


def f01(p):
    with p.scope():
        struct = p.own(p.struct(["extern"], p.n(1)))
    p.d(struct.field(p.store, 0))


def f02(p):
    p.struct(["const i32"], p.heap.Val.i32(1)).set_field(p.store, 0, p.heap.Val.i32(2))


def f03(p):
    array = p.array("i32", p.heap.Val.i32(1), p.heap.Val.i32(2))
    p.see(array.get(p.store, 2))


def f04(p):
    with p.scope():
        struct = p.own(p.struct(["extern"], p.n(1)))
    p.gc()
    p.see(struct.is_dropped)


def f05(p):
    array = p.array("extern", p.n(1), p.n(2), None)
    p.heap.ArrayRef.copy(p.store, array, 1, array, 0, 2)
    p.d(array.get(p.store, 2))


def f06(p):
    p.see(p.struct(["i8"], p.heap.Val.i32(-1)).field(p.store, 0))


def f07(p):
    (stale,) = p.scope_with(0)
    with p.scope():
        try:
            p.struct(["extern", "extern"], p.n(1), stale)
        except p.heap.Unrooted as error:
            p.see(str(error))
    p.gc()


def f08(p):
    p.throw(1)
    p.gc()


f09 = f08


def f10(p):
    p.throw(1)
    p.throw()
    p.gc()


def f11(p):
    with p.scope():
        array = p.own(p.heap.ArrayRef.new(p.store, p.array_type("extern"), p.n(1), 3))
    array.set(p.store, 0, None)
    p.d(array.get(p.store, 1))


def f12(p):
    p.see(p.struct(["i16", "i8"], p.heap.Val.i32(0x1234), p.heap.Val.i32(0)).fields(p.store))


def f13(p):
    p.see(p.array("i8").to_anyref().as_struct(p.store) is None)


def f14(p):
    with p.scope():
        struct = p.own(p.struct(["extern"], p.n(1)))
    with p.scope():
        struct.field(p.store, 0)
    p.d(struct.field(p.store, 0))


def f15(p):
    p.see(p.struct(["extern!"], None))


def f16(p):
    p.throw(1)
    p.see(p.store.take_pending_exception() is None)
    p.see(p.store.take_pending_exception() is None)


def f17(p):
    p.limits.memory_size = 0
    p.heap.ArrayRef.new(p.store, p.array_type("i8"), p.heap.Val.i32(0), 1 << 26)


def f18(p):
    p.limits.memory_size = 1024 * KIB
    length = {"drc": 16_377, "null": 16_381, "copying": 8_187}[p.store.collector]
    p.see(p.heap.ArrayRef.new(p.store, p.array_type("extern"), None, length).len(p.store))


def f19(p):
    array = p.array("extern", None, None, None)
    p.heap.ArrayRef.fill(p.store, array, 0, p.n(1), 3)
    p.d(array.get(p.store, 2))


def f20(p):
    base = p.heap.StructType(p.storage("extern"), final=False)
    sub = p.heap.StructType(p.storage("extern", "i32"), parent=base)
    wrapper = p.heap.StructType([p.heap.FieldType(p.heap.RefType(p.heap.HeapType.STRUCT, concrete=base))])
    value = p.heap.StructRef.new(p.store, sub, [None, p.heap.Val.i32(1)])
    p.see(p.heap.StructRef.new(p.store, wrapper, [value]).field(p.store, 0) is None)


def f22(p):
    from twinheap.targets.heap.kit_types import kit_tag

    p.see([kit_tag(p.store, 0) is kit_tag(p.store, 0), len(p.store.tags)])


def f23(p):
    from twinheap.targets.heap.wasm_code import forget_modules

    made = p.struct(["extern"], p.n(1))
    forget_modules(p.store)
    p.d(made.field(p.store, 0))


def f21(p):
    this = p.heap.RefType(p.heap.HeapType.STRUCT, concrete=p.heap.This.THIS)
    node = p.heap.StructType([p.heap.FieldType(this)])
    p.heap.StructRef.new(p.store, node, [None]).set_field(p.store, 0, p.struct(["extern"], None))
