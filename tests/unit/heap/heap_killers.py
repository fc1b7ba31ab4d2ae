"""Runs one short program per planted bug, on the mutated and on the plain heap; prints which ones show no difference.

A script, not a module: every program runs in a process of its own, forked before the heap is imported.
Arguments: names of mutants; all if there are none.
"""

import os
import runpy
import sys
from pathlib import Path

from twinheap.targets.heap import mutants

FILES = tuple(f"heap_killers_{part}.py" for part in ("roots", "space", "slots", "objects", "wasm"))
KILLERS = {
    name: killer for file in FILES for name, killer in runpy.run_path(str(Path(__file__).with_name(file))).items()
}


class Program:
    """A store, and what was seen of it. Every operation's failure is an observation too."""

    def __init__(self, collector, limit=None, **settings):
        import twinheap.targets.heap as heap

        self.heap = heap
        self.seen = []
        self.limits = heap.StoreLimits(memory_size=limit)
        self.store = heap.Store(
            collector,
            limiter=self.limits,
            on_finalize=lambda value: self.seen.append(("finalized", value)),
            on_limiter_call=lambda *sizes: self.seen.append(("limiter", sizes)),
            **settings,
        )

    def another(self, limit=None):
        """A second store, whose events do not matter."""
        return Program("drc", limit)

    def n(self, value):
        return self.heap.ExternRef.new(self.store, value)

    def N(self, value):  # noqa: N802 - the notation of section 10
        with self.scope():
            return self.own(self.n(value))

    def scope_with(self, *values):
        """New roots that are stale when this returns."""
        with self.scope():
            return [self.n(value) for value in values]

    def own(self, handle):
        return handle.to_owned_rooted(self.store)

    def scope(self):
        return self.heap.RootScope(self.store)

    def i31(self, value):
        return self.heap.AnyRef.from_i31(self.store, self.heap.I31(value))

    def from_raw(self, raw):
        return self.heap.ExternRef.from_raw(self.store, raw)

    def d(self, handle):
        self.see(None if handle is None else handle.data(self.store))

    def gc(self):
        self.store.gc()
        self.see("gc")

    def see(self, what):
        self.seen.append(what)

    def set_global(self, value=None, heap_type=None, **settings):
        with self.scope():
            handle = None if value is None else self.n(value)
            return self.heap.Global(self.store, heap_type or self.heap.ExternRef, handle, **settings)

    def table(self, *values, **settings):
        table = self.heap.Table(self.store, self.heap.ExternRef, len(values), **settings)
        with self.scope():
            for i, value in enumerate(values):
                table.set(self.store, i, None if value is None else self.n(value))
        return table

    def typed(self, kind, handle):
        return self.heap.TypedFunc(self.store, self.heap.ParamKind[kind], self.heap.ExternRef).call(self.store, handle)

    def storage(self, *names):
        """Field types: "extern", "any", "i8" and the like; with "const " before it is constant, with "!" non-null."""
        fields = []
        for name in names:
            kind = name.removeprefix("const ").removesuffix("!")
            if kind in [storage.value for storage in self.heap.Storage]:
                element = self.heap.Storage(kind)
            else:
                element = self.heap.RefType(self.heap.HeapType(kind), nullable=not name.endswith("!"))
            fields.append(self.heap.FieldType(element, mutable=not name.startswith("const ")))
        return fields

    def struct(self, fields, *values):
        return self.heap.StructRef.new(self.store, self.heap.StructType(self.storage(*fields)), values)

    def array(self, field, *values):
        return self.heap.ArrayRef.new_fixed(self.store, self.array_type(field), values)

    def array_type(self, field):
        return self.heap.ArrayType(self.storage(field)[0])

    def exn(self, *values):
        params = [field.element_type for field in self.storage(*["extern"] * len(values))]
        return self.heap.ExnRef.new(self.store, self.heap.Tag(self.store, self.heap.TagType(params)), values)

    def throw(self, *values):
        with self.scope():
            try:
                self.store.throw(self.exn(*[self.n(value) for value in values]))
            except self.heap.ThrownException as error:
                self.see(str(error))

    def instance(self):
        from twinheap.targets.heap.wasm_instance import Instance

        return Instance(self.store)

    def run(self, instance, code, number=0):
        """What running a body shows; its result, or None."""
        from twinheap.targets.heap.wasm_host import HostFunctions
        from twinheap.targets.heap.wasm_run import interpreter

        host = HostFunctions(instance, range(8), lambda value: value, list)
        try:
            return interpreter(instance, f"(body {code})", number, host).run([None, None, None], 0)
        except self.heap.HeapError as error:
            self.see(str(error))
        finally:
            self.see(host.trace)

    def until_oom(self, most=5000):
        """Allocate until out of memory, and drop the error."""
        for i in range(most):
            try:
                self.n(i)
            except self.heap.GcHeapOutOfMemory as oom:
                self.see(("oom", i, oom.bytes_needed))
                oom.drop()
                return
        self.see(("no oom", most))

    def oom(self):
        try:
            while True:
                self.n(0)
        except self.heap.GcHeapOutOfMemory as oom:
            return oom.take_inner()[1]


def observe(name, collector):
    """What the killer of a mutant sees on this process's heap."""
    program = Program(collector)
    try:
        KILLERS[name](program)
    except Exception as error:
        program.see(type(error).__name__)
    return repr(program.seen)


def in_a_process(name, collector, mutated):
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        if mutated:
            mutants.install(name)
        os.write(writer, observe(name, collector).encode()[-60_000:])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        seen = answer.read()
    os.waitpid(child, 0)
    return seen


def main():
    for name in sys.argv[1:] or sorted(mutants.MUTANTS):
        for collector in mutants.MUTANTS[name].collectors:
            if in_a_process(name, collector, True) == in_a_process(name, collector, False):
                print(f"{name} shows nothing on {collector}")


main()
