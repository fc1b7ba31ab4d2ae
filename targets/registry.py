"""Target names: `NAME[@RELEASE][,key=value]...` to the command of an executor.

| name | keys |
|---|---|
| `heap` | `collector=drc`, `null` or `copying`; `mutant=m09`; `defects=k1+k6`; `verify=1` |
| `capi`, `capi@43.0.0` | `lib=PATH` and `release=43.0.0` for somebody's own build; `via=native` or `ctypes`: which |
| | executor, of those releases the native one by itself once `twinheap rust build capi` made it |
| `rust`, `rust@48.0.2` | `collector=drc`, `null` or `copying`; `zeal=N`: collect at every Nth allocation; |
| | `path=CHECKOUT` for somebody's own Wasmtime; `assertions=1`: with debug assertions |
| `exec` | `cmd=COMMAND`, split as a shell would; `timeout=SECONDS` |

`RELEASE` may be `all` or a range `35..45`; `expand` makes one target of each. `timeout` and `memory` go with any name.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from twinheap.targets.capi import wheels
from twinheap.targets.executor import MEMORY_LIMIT, OP_TIMEOUT, Executor
from twinheap.targets.heap.mutants import MUTANTS
from twinheap.targets.rust import build as rust_build
from twinheap.targets.rust.flavour import DEFAULT_RELEASE, Flavour, RustError, flavour_of

if TYPE_CHECKING:
    from twinheap.targets.rust.native import Native

NAMES: Final = ("heap", "capi", "rust", "exec")
_WITH_RELEASES: Final = ("capi", "rust")

COLLECTORS: Final = ("drc", "null", "copying")
DEFECTS: Final = ("k1", "k6")
"""Known defects that the in-tree heap can be given."""

_KEYS: Final = {
    "heap": ("collector", "mutant", "defects", "verify"),
    "capi": ("lib", "release", "via"),
    "rust": ("collector", "zeal", "path", "assertions"),
    "exec": ("cmd",),
}
OWN_BUILD: Final = ("lib", "release", "path")
"""Options that name somebody's own build, which has no other releases."""

_VIAS: Final = ("native", "ctypes")
_COMMON: Final = ("timeout", "memory")
_MIB: Final = 1 << 20

Progress = Callable[[str], None]


class TargetError(ValueError):
    """A target name that means nothing here. The text is one line and says what to do."""


class Target(msgspec.Struct, frozen=True):
    """An executor that can be started.

    `name`: as it is reported, normalized, and understood by `parse` again. `command`: what to start. `op_timeout`:
    seconds for one op. `memory_limit`: bytes of resident size.
    """

    name: str
    command: tuple[str, ...]
    op_timeout: float = OP_TIMEOUT
    memory_limit: int = MEMORY_LIMIT

    def executor(self) -> Executor:
        """A supervised executor of this target, not yet started."""
        return Executor(self.command, op_timeout=self.op_timeout, memory_limit=self.memory_limit)


class _Spec(msgspec.Struct, frozen=True):
    """A name, taken apart."""

    text: str
    kind: str
    release: str
    options: dict[str, str]


def parse(text: str, progress: Progress | None = None) -> Target:
    """The target that `text` names. Raises TargetError, also for a name that means several.

    A release that is not in the cache is fetched; `progress` is told what takes time.

    >>> parse("heap,mutant=m09").command[3:]
    ('twinheap.targets.heap.executor', '--collector', 'drc', '--mutant', 'm09')
    >>> parse("hepa")
    Traceback (most recent call last):
        ...
    twinheap.targets.registry.TargetError: unknown target 'hepa': choose heap, capi, rust or exec
    """
    targets = expand(text, progress)
    if len(targets) != 1:
        raise TargetError(f"{text!r} means {len(targets)} targets, and one is wanted: {targets[0].name}, for example")
    return targets[0]


def parse_all(texts: Iterable[str], progress: Progress | None = None) -> list[Target]:
    """The targets that several names mean, each once. Raises TargetError."""
    found = {target.name: target for text in texts for target in expand(text, progress)}
    return list(found.values())


def expand(text: str, progress: Progress | None = None) -> list[Target]:
    """The targets that `text` names: one, or one per release for `@all` and `@35..45`. Raises TargetError.

    >>> [target.name for target in expand("exec,cmd=./mine --fast")]
    ['exec,cmd=./mine --fast']
    """
    spec = _take_apart(text)
    if spec.kind == "heap":
        return [_with_limits(_heap(spec), spec)]
    if spec.kind == "exec":
        return [_with_limits(_exec(spec), spec)]
    found = _rust(spec, progress) if spec.kind == "rust" else _capi(spec, progress)
    return [_with_limits(target, spec) for target in found]


def releases(kind: str, spec: str) -> list[str]:
    """The releases of `capi` or `rust` that "43", "35..45" or "all" means, oldest first. Raises TargetError."""
    try:
        if kind == "rust":
            return rust_build.resolve(spec)
        return [wheels.resolve(release) for release in wheels.expand(spec)]
    except (RustError, wheels.WheelError) as error:
        raise TargetError(str(error)) from None


def _take_apart(text: str) -> _Spec:
    head, _, rest = text.strip().partition(",")
    kind, at, release = head.partition("@")
    if kind not in NAMES:
        raise TargetError(f"unknown target {kind!r}: choose {_listed(NAMES)}")
    if at and kind not in _WITH_RELEASES:
        raise TargetError(f"the target {kind} has no releases: leave out @{release}")
    if at and not release:
        raise TargetError(f"{text!r} names no release after the @: write {kind}@43.0.0, {kind}@42..45 or {kind}@all")
    return _Spec(text.strip(), kind, release, _options(kind, rest))


def _options(kind: str, rest: str) -> dict[str, str]:
    options: dict[str, str] = {}
    known = (*_KEYS[kind], *_COMMON)
    for part in _split(rest) if rest else []:
        key, equals, value = part.partition("=")
        key = key.strip()
        if key not in known:
            raise TargetError(f"the target {kind} has no option {key!r}: it has {_listed(known, 'and')}")
        if not equals or not value:
            raise TargetError(f"the option {key!r} of the target {kind} needs a value: {key}=...")
        if key in options:
            raise TargetError(f"the option {key!r} of the target {kind} is given twice")
        options[key] = value.strip()
    return options


def _split(rest: str) -> list[str]:
    """The options between commas. What comes after `cmd=` is one value, commas included: a command may have some."""
    before, mark, command = rest.partition("cmd=")
    if mark and (not before or before.endswith(",")):
        return [part for part in before.split(",") if part] + [mark + command]
    return rest.split(",")


def _listed(names: Iterable[str], last: str = "or") -> str:
    *most, end = names
    return f"{', '.join(most)} {last} {end}" if most else end


def _with_limits(target: Target, spec: _Spec) -> Target:
    timeout = _positive(spec, "timeout", "seconds", target.op_timeout)
    memory = _positive(spec, "memory", "MiB", target.memory_limit / _MIB)
    given = "".join(f",{key}={spec.options[key]}" for key in _COMMON if key in spec.options)
    name, command = target.name, target.command
    if given and spec.kind == "exec":  # the command is last, since it may contain commas
        given, name = "", name.replace("exec", "exec" + given, 1)
    return Target(name + given, command, timeout, int(memory * _MIB))


def _positive(spec: _Spec, key: str, unit: str, default: float) -> float:
    try:
        value = float(spec.options.get(key, default))
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise TargetError(f"{key}={spec.options[key]} is no number of {unit} above 0")
    return value


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", module, *arguments)


def _heap(spec: _Spec) -> Target:
    options = spec.options
    collector = options.get("collector", "drc")
    if collector not in COLLECTORS:
        raise TargetError(f"the heap has no collector {collector!r}: choose {_listed(COLLECTORS)}")
    arguments = ["--collector", collector]
    mutant = options.get("mutant")
    if mutant is not None:
        if mutant not in MUTANTS:
            raise TargetError(f"the heap has no mutant {mutant!r}: choose one of {', '.join(sorted(MUTANTS))}")
        arguments += ["--mutant", mutant]
    if "defects" in options:
        if unknown := [name for name in options["defects"].split("+") if name not in DEFECTS]:
            raise TargetError(f"the heap has no defect {unknown[0]!r}: choose {_listed(DEFECTS, 'and')}, joined by +")
        arguments += ["--defects", options["defects"]]
    if _is_on(options, "verify"):
        arguments.append("--verify")
    given = [f",{key}={options[key]}" for key in _KEYS["heap"] if key in options]
    return Target("heap" + "".join(given), _python("twinheap.targets.heap.executor", *arguments))


def _is_on(options: dict[str, str], key: str) -> bool:
    value = options.get(key, "0")
    if value not in ("0", "1"):
        raise TargetError(f"{key}={value} is neither 0 nor 1")
    return value == "1"


def _rust(spec: _Spec, progress: Progress | None) -> list[Target]:
    options = spec.options
    if "path" in options and spec.release:
        raise TargetError(f"@{spec.release} and path= exclude each other: a checkout says its release itself")
    zeal = options.get("zeal", "0")
    if not zeal.isdecimal():
        raise TargetError(f"zeal={zeal} is no number of allocations")
    assertions = _is_on(options, "assertions")
    try:
        releases = rust_build.resolve(spec.release) if spec.release else [DEFAULT_RELEASE]
        flavours = [
            flavour_of(release, path=options.get("path"), zeal=int(zeal) > 0, assertions=assertions)
            for release in releases
        ]
        return [_rust_target(spec, flavour, progress) for flavour in flavours]
    except RustError as error:
        raise TargetError(str(error)) from None


def _rust_target(spec: _Spec, flavour: Flavour, progress: Progress | None) -> Target:
    options = spec.options
    collector = options.get("collector", "drc")
    if collector not in flavour.collectors:
        choice = _listed(flavour.collectors)
        raise TargetError(f"Wasmtime {flavour.release} has no collector {collector!r}: choose {choice}")
    binary = rust_build.build(
        flavour.release, zeal=flavour.zeal, path=flavour.path, debug_assertions=flavour.assertions, progress=progress
    )
    name = f"rust@{flavour.release}" if spec.release else "rust"
    given = [f",{key}={options[key]}" for key in _KEYS["rust"] if key in options]
    command = [str(binary), "--collector", collector]
    if flavour.zeal:
        command += ["--zeal", options["zeal"]]
    return Target(name + "".join(given), tuple(command))


def _exec(spec: _Spec) -> Target:
    text = spec.options.get("cmd")
    if text is None:
        raise TargetError("the target exec needs a command: exec,cmd=./my-executor")
    try:
        command = shlex.split(text)
    except ValueError as error:
        raise TargetError(f"the command {text!r} cannot be taken apart: {error}") from None
    if not any(command):
        raise TargetError("the target exec needs a command: exec,cmd=./my-executor")
    return Target(f"exec,cmd={text}", tuple(command))


def _capi(spec: _Spec, progress: Progress | None) -> list[Target]:
    options = spec.options
    if "lib" in options:
        if spec.release:
            raise TargetError(f"@{spec.release} and lib= exclude each other: name the release of a build with release=")
        return [_own_build(options, progress)]
    if "release" in options:
        raise TargetError(f"release= goes with lib=: write capi@{options['release']} for a release on PyPI")
    try:
        if not spec.release:
            release, library = wheels.installed_library()
            return [_capi_target("capi", str(library), release, options, progress)]
        releases = [wheels.resolve(release) for release in wheels.expand(spec.release)]
        return [
            _capi_target(f"capi@{name}", str(wheels.fetch(name, progress)), name, options, progress)
            for name in releases
        ]
    except wheels.WheelError as error:
        raise TargetError(str(error)) from None


def _own_build(options: dict[str, str], progress: Progress | None) -> Target:
    path = Path(options["lib"]).expanduser().absolute()
    if not path.is_file():
        raise TargetError(f"there is no library {path}: check the path")
    name = f"capi,lib={path}"
    release = options.get("release")
    if release is not None:
        name += f",release={release}"
    # Whether a library is what it is taken for, the Python executor looks; it is the one that is asked by itself.
    return _capi_target(name, str(path), release, options, progress)


def _capi_target(
    name: str, library: str, release: str | None, options: dict[str, str], progress: Progress | None
) -> Target:
    if "via" in options and options["via"] not in _VIAS:
        raise TargetError(f"there is no executor {options['via']!r} of capi: choose {_listed(_VIAS)}")
    via = options.get("via")
    given = f",via={via}" if via is not None else ""
    # Whether somebody's own build is what it is taken for, the Python executor looks.
    if native := _native("ctypes" if via is None and "lib" in options else via, progress):
        if release is None:
            raise TargetError("via=native needs to know the release of the library: name it with release=")
        return Target(name + given, native.command(library, release))
    arguments = ["--library", library] + (["--release", release] if release is not None else [])
    return Target(name + given, _python("twinheap.targets.capi.executor", *arguments))


def _native(via: str | None, progress: Progress | None) -> Native | None:
    """The native executor if it is asked for, or if nothing is and it can do all that the other one can."""
    if via == "ctypes":
        return None
    from twinheap.targets.rust import native  # only here: it imports all of the Python executor

    try:
        if via == "native":
            return native.build(progress)
        found = native.built()
    except RustError as error:
        raise TargetError(str(error)) from None
    return found if found is not None and found.is_whole else None
