"""What the native executor must know of releases, texts and types, taken from where the Python one has it.

One value of msgpack, which `rust/capi-crate/src/facts.rs` reads in this order: so nothing is said twice. Truth values
are 0 or 1, since they are read as numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from twinheap.model.engines import ENGINES, Engine
from twinheap.model.kit import ARRAYS, CLEAR, KIT_GLOBALS, KIT_TABLES, SHARES, STRUCTS, TAGS, ObjectType
from twinheap.model.observation import MAX_TEXT, PANIC_TEXTS
from twinheap.model.ops import RUN_VALUES
from twinheap.model.wat import decoy_module, kit_module, module, types_module
from twinheap.targets.capi import engines, machine_wasm, objects, outcomes, wasm
from twinheap.targets.capi.releases import MIN_RELEASE, NEWEST_KNOWN
from twinheap.targets.capi.shapes import prototypes, shape_of
from twinheap.targets.capi.valtypes import RefType, importing_module
from twinheap.targets.modules import binary
from twinheap.targets.wire import MAX_OBSERVED


def facts(assembled: Callable[[str], bytes] = binary) -> bytes:
    """The facts, with every module as `assembled` makes it of its text.

    Another function than the default saves the time of assembling, where facts are only compared.
    """
    return msgspec.msgpack.encode(
        [
            [_shape(major) for major in range(MIN_RELEASE, NEWEST_KNOWN + 1)],
            [[part, outcome] for part, (outcome,) in outcomes.ERRORS],
            list(outcomes.ENDINGS),
            list(PANIC_TEXTS),
            outcomes.HOST_TRAP,
            [
                importing_module(list(RefType)),
                assembled(kit_module(exceptions=False)),
                assembled(kit_module(exceptions=True)),
                assembled(types_module()),
                assembled(module(CLEAR)),
                assembled(module(CLEAR, counted=True)),
                wasm.TAG_MODULE,
                [[assembled(kit_module(tags, kinds)) for tags in (False, True)] for kinds in SHARES.values()],
                [assembled(decoy_module(variant)) for variant in (0, 1)],
            ],
            [_storages(made) for made in STRUCTS],
            [_storages(made) for made in ARRAYS],
            [_storages(made) for made in TAGS],
            list(KIT_GLOBALS),
            list(KIT_TABLES),
            [of.name.removesuffix("REF").lower() for of in RefType],
            [_engine(engine) for engine in ENGINES],
            [list(pair) for pair in engines.POOL_SIZES.items()],
            RUN_VALUES,
            MAX_OBSERVED,
            MAX_TEXT,
        ]
    )


def _shape(major: int) -> list[int]:
    shape = shape_of(major)
    return [
        major,
        shape.val_size,
        int(shape.release_takes_context),
        int(shape.gc_returns_error),
        int(shape.prompt_release),
        int(major >= machine_wasm.TYPED_NULLS),
        int(major >= wasm.EXCEPTIONS_FROM),
        int(major >= objects.FIRST),
        int(major >= engines.PULLEY_FROM),
        int(major >= engines.FIBERS_FROM),
        int("wasmtime_anyref_is_array" in prototypes(shape)),
    ]


def _storages(made: ObjectType) -> list[str]:
    return [field.storage for field in made.fields]


def _engine(engine: Engine) -> list[Any]:
    """Sizes that are left alone are -1."""
    sizes = [-1 if size is None else size for size in (engine.reservation, engine.guard)]
    switches = (engine.optimize, engine.pooling, engine.pulley, engine.single_pass, engine.explicit)
    return [engine.name, *sizes, *map(int, (*switches, engine.fuel, engine.epochs, engine.fibers))]
