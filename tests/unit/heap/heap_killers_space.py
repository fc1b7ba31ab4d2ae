"""Killers of the mutants of space, the copying collector and suspended operations."""

KIB = 1024


def m32(p):
    p.N(1).drop()
    p.gc()
    o = p.N(2)
    p.N(3)
    p.d(o)


def m33(p):
    p.limits.memory_size = 0
    p.until_oom()


def m34(p):
    p.d(p.n(1))


def m36(p):
    p.limits.memory_size = 64 * KIB
    p.until_oom()


def m37(p):
    for handle in [p.n(i) for i in range(2048)]:
        p.d(handle)


def m38(p):
    p.limits.memory_size = 192 * KIB
    p.until_oom(20_000)


def m39(p):
    table = p.table(None, None, None)
    with p.scope():
        table.fill(p.store, 0, p.n(1), 3)
    table.set(p.store, 0, None)
    p.gc()
    p.d(table.get(p.store, 2))


def m40(p):
    first, second = p.N(1), p.N(2)
    first.drop()
    p.gc()
    p.store.drop()
    second.drop()


def c01(p):
    a = p.n(1)
    o = p.own(a)
    p.gc()
    p.see(p.heap.Rooted.ref_eq(p.store, a, o))


def c02(p):
    g = p.set_global(1)
    p.gc()
    p.d(g.get(p.store))


def c03(p):
    table = p.table(1)
    p.gc()
    p.d(table.get(p.store, 0))


def c04(p):
    o = p.N(1)
    p.gc()
    p.d(o)


def c05(p):
    p.n(1)
    p.gc()


def c06(p):
    o = p.N(1)
    p.gc()
    o.drop()
    p.gc()


def c07(p):
    p.until_oom(1022)
    p.gc()
    p.n(1)
    p.d(p.n(2))


def c08(p):
    p.limits.memory_size = 64 * KIB
    p.n(0)
    p.gc()
    p.until_oom()


def c09(p):
    p.limits.memory_size = 64 * KIB
    with p.scope():
        p.until_oom(1023)
        p.gc()
        p.gc()
    p.n("x")


def c10(p):
    number = p.i31(3)
    p.n(1)
    p.gc()
    p.see(number.kind(p.store))


def c11(p):
    p.n(1)
    o = p.n(2)
    p.gc()
    p.d(o)


def c12(p):
    p.scope_with(1)
    p.n(2)
    p.gc()


def a01(p):
    p.heap.ExternRef.new_async(p.store, 1).cancel()


def a02(p):
    p.n(1)
    p.scope_with(2)
    future = p.store.gc_async()
    for _ in range(3):
        future.poll()
    future.cancel()
    p.gc()


a03 = a01


def a04(p):
    p.N(1).drop()
    future = p.store.gc_async()
    while not future.poll():
        pass


def a05(p):
    future = p.heap.ExternRef.new_async(p.store, 1)
    future.poll()
    p.d(future.result)
