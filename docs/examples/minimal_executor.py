#!/usr/bin/env python3
"""A small executor for a heap of one's own: everything that docs/wire.md asks for, in one file.

The heap counts references and gives a value back the moment its count is zero. It has stores with a limit, owned
handles and globals, and nothing else; `view` takes everything else out of the programs. Needs msgspec (any msgpack
library will do). Try it:

    twinheap check-executor "python3 docs/examples/minimal_executor.py"
    twinheap run --target exec,cmd="python3 docs/examples/minimal_executor.py"
"""

# ruff: noqa: D102 -- each method of the machine is named after its op

import mmap
import os
import struct
import sys

import msgspec

PAGE = 65536  # the heap grows by doubling, from nothing to one page first (semantics.md 1.5)
OBJECT = 32  # bytes of one externref
RESERVED = 16  # bytes at the start of a heap that are never handed out


class Object:
    """What the heap holds: a host value, its payload, and how many hold it."""

    def __init__(self, store, value):
        self.store, self.value, self.payload, self.count = store, value, 0, 1


class Store:
    """One heap: its size, its limit, what is in it."""

    def __init__(self, limit):
        self.limit, self.capacity, self.objects = limit, 0, []

    def has_room(self):
        """Whether one more object fits, after growing if the limit allows it."""
        while len(self.objects) * OBJECT + OBJECT > self.capacity - RESERVED:
            desired = max(self.capacity * 2, PAGE)
            if self.limit >= 0 and desired > self.limit:
                return False
            self.capacity = desired
        return True


class Machine:
    """Runs one program: `slots` by number, and the host values finalized during the op."""

    def __init__(self, limit, slots):
        self.slots = [None] * slots
        self.slots[0] = Store(limit)
        self.finalized = []

    def release(self, found):
        """Gives back one count."""
        if found is not None:
            found.count -= 1
            if found.count == 0 and found in found.store.objects:
                found.store.objects.remove(found)
                self.finalized.append(found.value)

    # Each op gets its operands and results as one list, as in the table of ops, and returns outcome and values.

    def store_new(self, limit, limiter, result):
        self.slots[result] = Store(limit)
        return ("ok",)

    def store_drop(self, store):
        self.finalized += [found.value for found in self.slots[store].objects]
        self.slots[store].objects = []
        return ("ok",)

    def set_limit(self, store, limit):
        self.slots[store].limit = limit
        return ("ok",)

    def gc(self, store):
        return ("ok",)  # nothing is ever garbage here

    sync = gc

    def ext_new_owned(self, store, value, result, error):
        store = self.slots[store]
        if not store.has_room():
            self.finalized.append(value)
            return ("err:oom",)
        self.slots[result] = Object(store, value)
        store.objects.append(self.slots[result])
        return ("ok",)

    def oclone(self, owned, result):
        self.slots[result] = self.slots[owned]
        self.slots[owned].count += 1
        return ("ok",)

    def odrop(self, owned):
        self.release(self.slots[owned])
        self.slots[owned] = None
        return ("ok",)

    def data(self, handle):
        found = self.slots[handle]
        return ("ok", (found.value, found.payload))

    def data_set(self, handle, number):
        self.slots[handle].payload = number
        return ("ok",)

    def eq(self, left, right):
        return ("ok", (self.slots[left] is self.slots[right],))

    def global_new(self, store, of, mutable, value, result):
        if value >= 0 and of != 0:  # every handle here is an externref
            return ("err:type",)
        held = self.slots[value] if value >= 0 else None
        if held is not None:
            held.count += 1
        self.slots[result] = [held, of, mutable]
        return ("ok",)

    def global_get_owned(self, source, result):
        held = self.slots[source][0]
        if held is None:
            return ("ok", ("null",))
        held.count += 1
        self.slots[result] = held
        return ("ok", ("nonnull",))

    def global_set(self, target, value):
        held, of, mutable = self.slots[target]
        if not mutable:
            return ("err:immutable",)
        if value >= 0 and of != 0:
            return ("err:type",)
        new = self.slots[value] if value >= 0 else None
        if new is not None:
            new.count += 1
        self.slots[target][0] = new
        self.release(held)
        return ("ok",)


# What an op reads, by position: an op on a slot that holds nothing is skipped.
READS = {
    "store_drop": (0,), "set_limit": (0,), "gc": (0,), "sync": (0,), "ext_new_owned": (0,), "oclone": (0,),
    "odrop": (0,), "data": (0,), "data_set": (0,), "eq": (0, 1), "global_new": (0, 3), "global_get_owned": (0,),
    "global_set": (0, 1), "store_new": (),
}  # fmt: skip


def run(program, names, note):
    """The observations of one program."""
    number, limit, _limiter, slots, _values, ops = program
    machine = Machine(limit, slots)
    observations = []
    note[0] = number
    for index, (code, *rest) in enumerate(ops):
        note[1] = index
        name = names[code]
        if any(rest[at] >= 0 and machine.slots[rest[at]] is None for at in READS[name]):
            observations.append(("skip",))
            continue
        outcome, *values = getattr(machine, name)(*rest)
        observations.append((outcome, values[0] if values else (), machine.finalized))
        machine.finalized = []
    return observations


def read_exactly(count):
    """The next bytes of standard input; fewer at its end."""
    data = b""
    while len(data) < count and (piece := os.read(0, count - len(data))):
        data += piece
    return data


def send(message):
    """Writes one frame."""
    body = msgspec.msgpack.encode(message)
    sys.stdout.buffer.write(struct.pack("<I", len(body)) + body)


def main():
    """Handshake, then batches until standard input ends."""
    names, note = [], [0, 0]
    while len(head := read_exactly(4)) == 4:
        kind, *rest = msgspec.msgpack.decode(read_exactly(*struct.unpack("<I", head)))
        if kind == "hello":
            names = rest[0]["ops"]
            if rest[0]["progress"]:
                with open(rest[0]["progress"], "r+b") as file:
                    note = memoryview(mmap.mmap(file.fileno(), 8)).cast("I")
            hello = {"wire": 1, "runtime": "minimal", "release": "", "collector": "drc", "exact": False, "build": "1"}
            send(["hello", hello | {"ops": list(READS)}])
        elif kind == "batch":
            batch_id, programs = rest
            for program in programs:
                send(["result", batch_id, program[0], run(program, names, note)])
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
