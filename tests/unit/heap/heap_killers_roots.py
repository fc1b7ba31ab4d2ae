"""Killers of the mutants of roots and counts: what each does is in the mutant table."""

KIB = 1024


def m01(p):
    p.scope_with(1)
    p.gc()


def m02(p):
    a = p.n(1)
    p.scope_with(2)
    p.d(a)


def m03(p):
    p.scope_with(1, 2)


def m04(p):
    (a,) = p.scope_with(1)
    p.n(2)
    p.d(a)


m05 = m06 = m02


def m07(p):
    a, _ = p.scope_with(1, 2)
    p.n(3)
    p.n(4)
    p.d(p.own(a))


def m08(p):
    (a,) = p.scope_with(1)
    p.d(a)


def m09(p):
    with p.scope():
        a = p.n(1)
        o = p.own(a)
    p.d(o)


def m10(p):
    o = p.N(1)
    c = o.clone()
    o.drop()
    p.gc()
    p.d(c)


def m11(p):
    o = p.N(1)
    o.clone().drop()
    p.gc()
    p.d(o)


def m12(p):
    p.N(1).drop()
    p.gc()


def m13(p):
    p.limits.memory_size = 64 * KIB
    owned = [p.N(i) for i in range(2047)]
    owned[5].drop()
    p.d(p.N("x"))


def m14(p):
    for i in range(9):
        p.N(i).drop()
        p.see(i)


def m15(p):
    keep = [p.N(i) for i in range(20)]
    for i in range(13):
        p.N(100 + i).drop()
        p.see(i)
    p.see(len(keep))


def m16(p):
    o = p.N(1)
    c = o.clone()
    o.drop()
    keep = [p.N(i) for i in range(8)]
    p.d(c)
    p.see(len(keep))


def m17(p):
    p.N(1).drop()
    keep = [p.N(10 + i) for i in range(8)]
    p.gc()
    for o in keep:
        p.d(o)


def m18(p):
    o = p.N(1)
    with p.scope():
        o.to_rooted(p.store)
    p.d(o)


def m19(p):
    o = p.N(1)
    o.to_raw(p.store)
    o.to_raw(p.store)
    p.gc()
    p.d(o)


def m20(p):
    o = p.N(1)
    o.to_raw(p.store)
    o.to_raw(p.store)
    o.drop()
    p.gc()


def m21(p):
    o = p.N(1)
    o.to_raw(p.store)
    p.gc()
    raw = o.to_raw(p.store)
    o.drop()
    for _ in range(8):
        p.own(p.i31(1))
    p.d(p.from_raw(raw))


def m25(p):
    g = p.set_global(1)
    with p.scope():
        g.set(p.store, g.get(p.store))
    g.set(p.store, None)
    p.gc()


def m26(p):
    p.set_global(1).set(p.store, None)
    p.gc()


def m27(p):
    g = p.set_global(1)
    p.gc()
    p.d(g.get(p.store))


def m28(p):
    with p.scope():
        p.n(1)
        p.heap.Global(p.store, p.heap.AnyRef, p.i31(8))
    p.gc()
