"""Killers of the mutants that only Wasm shows."""

KIB = 1024


def running(*codes, gc=True):
    """A killer that runs bodies one after the other, and collects."""

    def killer(p):
        instance = p.instance()
        for number, code in enumerate(codes):
            p.run(instance, code, number)
        if gc:
            p.gc()

    return killer


KEPT = "(main (local extern) (set 4 (new)) (gc) (see (get 4)) (null extern))"

m22 = running("(main (local extern) (drop (new)) (set 4 (new)) (gc) (see (get 4)) (null extern))")
m23 = running(KEPT)
m24 = running(KEPT)
w01 = running("(main (local extern) (set 4 (new)) (see (get 4)) (see (get 4)) (null extern))")
w02 = running("(main (see (new)) (null extern))")


def w34(p):
    running("(main (null extern))")(p)
    p.see(len(p.store.globals))


def w35(p):
    p.run(p.instance(), "(main (new))")
    p.store.drop()
    p.see(p.store.pooled)


def w33(p):
    instance = p.instance()
    instance.globals[0].set(p.store, p.n(1))
    instance.close()
    p.d(instance.globals[0].get(p.store))


def w03(p):
    p.limits.memory_size = 64 * KIB
    p.run(p.instance(), "(main (drop (array.new_default anys (i32 20000))) (null extern))")


w04 = running("(main (note (i31.get_s (i31 (i32 -1)))) (null extern))")


def w05(p):
    instance = p.instance()
    with p.scope():
        instance.globals[0].set(p.store, p.n(1))
    p.gc()
    p.run(instance, "(main (local extern) (set 4 (global.get 0)) (clear) (gc) (see (get 4)) (null extern))")


w06 = running("(main (note (test box (struct.new_default sub))) (null extern))")
w07 = running("(main (drop (cast array (struct.new_default empty))) (null extern))")
w08 = running("(main (global.set 0 (new)) (gc) (see (global.get 0)) (null extern))")

SEGMENT = "(segment any (struct.new_default empty)) "

w09 = running(SEGMENT + "(main (elem.drop 0) (table.init 1 0 (i32 0) (i32 0) (i32 1)) (null extern))")


def w10(p):
    instance = p.instance()
    code = SEGMENT + (
        "(main (note (ref_eq (cast eq (table.get 1 (i32 0))) (cast eq (table.get 1 (i32 1)))))"
        " (table.copy 1 1 (i32 1) (i32 0) (i32 1)) (table.init 1 0 (i32 0) (i32 0) (i32 1)) (null extern))"
    )
    for _ in range(3):
        p.run(instance, code)


w11 = running(
    "(main (global.set 5 (struct.new box (new))) (gc) (see (struct.get box 0 (cast box (global.get 5)))) (null extern))"
)
w12 = running(
    "(main (local externs) (set 4 (array.new_fixed externs (new) (null extern) (null extern)))"
    " (array.copy externs externs (get 4) (i32 1) (get 4) (i32 0) (i32 2))"
    " (see (array.get externs (get 4) (i32 2))) (null extern))"
)


def w13(p):
    result = p.run(p.instance(), "(main (new))")
    p.gc()
    p.d(result)


def w14(p):
    p.run(p.instance(), "(main (throw one (new)) (null extern))")
    p.gc()
    p.d(p.store.take_pending_exception().field(p.store, 0))


w15 = running("(main (local extern) (try (catch one 4) (throw one (new))) (null extern))")


def w16(p):
    instance = p.instance()
    code = SEGMENT + (
        "(main (drop (new)) (table.init 1 0 (i32 0) (i32 0) (i32 1))"
        " (note (test empty (table.get 1 (i32 0)))) (table.set 1 (i32 0) (null any)) (null extern))"
    )
    for _ in range(3):
        p.run(instance, code)
        p.gc()


w17 = running("(main (drop (struct.new box (new))) (null extern))")
w18 = running(KEPT)
w19 = running("(func (gc)) (main (local extern) (set 4 (new)) (call 0) (see (get 4)) (null extern))")
w20 = running(KEPT)
w21 = running("(main (local extern) (set 4 (new)) (null extern))")
w22 = running("(main (local any extern) (try (catch two 4 5) (throw one (new))) (null extern))")
w23 = running(
    "(main (local extern exn) (try (catch_ref one 4 5) (throw one (new))) (set 4 (null extern)) (gc)"
    " (try (catch one 4) (throw_ref (get 5))) (set 5 (null exn)) (gc) (see (get 4)) (null extern))"
)
w24 = running(
    "(main (global.set 5 (struct.new_default box)) (struct.set box 0 (cast box (global.get 5)) (new)) (gc)"
    " (see (struct.get box 0 (cast box (global.get 5)))) (null extern))"
)
w25 = running(
    "(main (global.set 6 (array.new externs (new) (i32 3)))"
    " (array.set externs (cast externs (global.get 6)) (i32 0) (null extern)) (gc)"
    " (see (array.get externs (cast externs (global.get 6)) (i32 1))) (null extern))"
)
w26 = running("(main (see (array.get externs (array.new_default externs (i32 2)) (i32 2))) (null extern))")
w27 = running("(main (block (block (br 1)) (note (i32 1))) (null extern))")


def own_object(where, held):
    """What a body is given when it is instantiated is there after collections."""

    def killer(p):
        instance = p.instance()
        for _ in range(3):
            p.run(instance, f"{where} (main (drop (new)) (note (test box {held})) (null extern))")
            p.gc()

    return killer


BOX = "(struct.new_default box)"

w28 = own_object(f"(global any {BOX})", "(global.get 7)")
w29 = own_object(f"(global any {BOX})", "(global.get 7)")
w30 = own_object(f"(active 1 0 any {BOX})", "(table.get 1 (i32 0))")


def waiting(type_, operand, look):
    """An operand that waits for collections, after which its block is used again."""
    return running(
        f"(main (local {type_} extern) (set2 4 5 {operand} (then (gc) (drop (new)) (gc) (new))) {look} (null extern))"
    )


w31 = waiting("extern", "(select (new) (null extern) (i32 1))", "(see (get 4))")
w32 = waiting("bytes", "(array.new_data bytes (i32 0) (i32 9))", "(note (array.get bytes (get 4) (i32 8)))")
x01 = running("(main (global.set 0 (new)) (gc) (global.set 0 (null extern)) (note (i32 0)) (null extern))")
x02 = running("(func (param extern) (gc) (note (i32 0))) (main (call 0 (new)) (null extern))")
x03 = running("(main (drop (new)) (drop (struct.new_default box)) (note (i32 0)) (null extern))")

PAIRS = "(rec (struct t0 i32) (struct t1 i64)) (rec (struct t2 i64) (struct t3 i32))"

y01 = running(f"{PAIRS} (main (note (test t3 (struct.new t0 (i32 1)))) (null extern))")
y02 = running("(rec (struct t0 ref.extern)) (main (drop (struct.new t0 (null extern))) (null extern))")
y03 = running(
    "(rec (struct t0 (open) i32) (struct t1 (sub t0) i32 extern))"
    " (main (global.set 5 (struct.new t1 (i32 1) (new))) (gc) (drop (new)) (gc)"
    " (see (struct.get t1 1 (cast t1 (global.get 5)))) (global.set 5 (null struct)) (gc) (null extern))"
)
y04 = running("(main (note (test none (struct.new_default box))) (null extern))")
y05 = running(
    "(rec (struct t0 func)) (func (gc)) (main (drop (new))"
    " (note (test func (struct.get t0 0 (struct.new t0 (ref.func 0))))) (null extern))"
)
