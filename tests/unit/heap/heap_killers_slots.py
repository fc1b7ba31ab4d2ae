"""Killers of the other mutants: tables, globals, typed calls, raw values, limits."""

KIB = 1024


def t01(p):
    table = p.table(1, 2, None)
    p.heap.Table.copy(p.store, table, 1, table, 0, 2)
    p.d(table.get(p.store, 2))


def t02(p):
    p.see(p.table(None, maximum=1).grow(p.store, 2))


def t03(p):
    g = p.set_global(1)
    with p.scope():
        g.get(p.store)
    p.d(g.get(p.store))


def t04(p):
    p.typed("OWNED", p.N(1)).drop()
    p.gc()


def t05(p):
    p.see(p.typed("OPTION_ROOTED", None) is None)


def t06(p):
    p.see(p.i31(0x4000_0000).as_i31(p.store))


def t07(p):
    other = p.another()
    other.n(5)
    p.see(p.n(7).data(other.store))


def t08(p):
    a = p.n(1)
    p.gc()
    p.d(a)


def t09(p):
    o = p.N(1)
    with p.scope():
        p.from_raw(o.to_raw(p.store))
    p.gc()
    p.d(o)


def t10(p):
    a = p.n(1)
    with p.scope():
        p.heap.AnyRef.convert_extern(p.store, a)
    p.d(a)


def t11(p):
    p.n(0)
    o = p.own(p.i31(3))
    cast = o.as_eqref(p.store)
    o.drop()
    p.gc()
    keep = p.N(1)
    p.see(cast.kind(p.store))
    p.see(keep)


def t12(p):
    p.set_global(1, mutable=False).set(p.store, None)


def t13(p):
    p.limits.memory_size = 0
    p.n(1)


def t14(p):
    p.limits.memory_size = 0
    p.until_oom()


def t15(p):
    p.see(p.table(None).get(p.store, 1))


def t16(p):
    p.see(p.from_raw(0) is None)


def t17(p):
    p.see(p.n(1).i31(p.store))


def t18(p):
    p.typed("OWNED", p.N(1)).drop()
    p.gc()


def t19(p):
    p.limits.memory_size = 64 * KIB
    oom = p.oom()
    p.limits.memory_size = None
    p.store.gc(oom)


def t20(p):
    o = p.N(1)
    o.to_raw(p.store)
    p.gc()
    p.d(o)


def t21(p):
    with p.scope():
        p.n(1).to_raw(p.store)
        p.n(2).to_raw(p.store)
    p.gc()


def t22(p):
    p.limits.memory_size = 64 * KIB
    p.until_oom()


def t23(p):
    a = p.n(1)
    p.n(2)
    p.d(a)


def t24(p):
    other = p.another(64 * KIB)
    p.store.gc(other.oom())


def t25(p):
    p.see(p.from_raw(7).to_raw(p.store))


def t26(p):
    p.limits.memory_size = 0
    try:
        p.n(1)
    except p.heap.GcHeapOutOfMemory as oom:
        p.see(oom.into_inner())


def t27(p):
    t26(p)
    p.store.drop()


def t28(p):
    p.limits.memory_size = 64 * KIB
    with p.scope():
        p.n("x").to_raw(p.store)
    p.until_oom()


def t29(p):
    a = p.n(1)
    p.see(p.heap.Rooted.ref_eq(p.store, a, p.heap.AnyRef.convert_extern(p.store, a)))


def t30(p):
    for number in range(20):
        with p.scope():
            p.own(p.i31(number)).drop()
    p.see(len(p.store.roots.liveness))


def t31(p):
    heap = p.heap
    with p.scope():
        kept = p.n(1)
        host = heap.HostFunc(p.store, heap.ParamKind.ROOTED, heap.ExternRef, lambda _: kept)
        heap.TypedFunc(p.store, heap.ParamKind.ROOTED, heap.ExternRef, through=host).call_without(p.store)
    p.see("the scope is closed")
    p.gc()


def t32(p):
    heap = p.heap
    wanted = heap.StructType(p.storage("extern", "i32"))
    function = heap.TypedFunc(p.store, heap.ParamKind.ROOTED, heap.StructRef, concrete=wanted)
    p.see(function.call(p.store, p.struct(["extern"], None)).kind(p.store))


def t33(p):
    with p.scope():
        gone = p.n(1)
    p.see(p.heap.Rooted.rooted_eq(gone, p.n(2)))


def t34(p):
    p.limits.memory_growing = lambda *_: False
    p.n(1)
