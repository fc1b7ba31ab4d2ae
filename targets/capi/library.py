"""Loading one of Wasmtime's C libraries by its path, and making sure that it is what we take it for.

A wrong prototype is a crash far from its cause, so the shape (docs/spec/capi.md 5.4) is never guessed silently: the
library itself says its major version, in the head of a module it compiles, and its symbols must fit.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twinheap.targets.capi import shapes
from twinheap.targets.capi.releases import MIN_RELEASE, NEWEST_KNOWN, WheelError, parse

# The smallest module there is: magic number and version.
_EMPTY_MODULE = b"\0asm\x01\0\0\0"
# A compiled module is an ELF file whose first section, right behind the 64-byte header, begins with a format number
# (0), the length of a version and the version: the full one up to 37, the major one since.
_ELF_HEADER = 64
# The longest version that can stand there, with some reserve for builds that add a suffix.
_LONGEST_VERSION = 32


class LibraryError(Exception):
    """A library cannot be used. The text is one line and says what to do about it."""


class ByteVec(ctypes.Structure):
    """wasm_byte_vec_t, also the shape of every other vector of the C API."""

    _fields_ = (("size", ctypes.c_size_t), ("data", ctypes.c_void_p))
    size: int
    data: int | None


class Library:
    """A loaded C library: its release, its shape, and its functions with their prototypes set."""

    def __init__(self, dll: ctypes.CDLL, path: Path, release: str, shape: shapes.Shape, warnings: list[str]) -> None:
        self.path = path
        self.release = release
        """As precisely as is known: of a wheel the whole version, of somebody's own build the major version."""
        self.shape = shape
        self.warnings = warnings
        """One line each, for the user: a release newer than we know, a release that contradicts the library."""
        self._dll = dll
        self._prototypes = shapes.prototypes(shape)

    def function(self, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        """A function with a prototype of the caller's choice. Raises LibraryError if the library lacks it."""
        try:
            # By index, not by attribute: each caller gets an object of its own, whose prototype nobody else changes.
            found = self._dll[name]
        except AttributeError:
            raise LibraryError(f"{self.path} has no {name}, so it is no Wasmtime {self.release}") from None
        found.restype = result
        found.argtypes = arguments
        return found

    def bound(self, name: str) -> Callable[..., Any]:
        """A function that the facade uses, with the prototype of this release. Raises LibraryError if it is absent."""
        result, arguments = self._prototypes[name]
        return self.function(name, result, *arguments)

    def knows(self, name: str) -> bool:
        """Whether this release has the function, so that `bound` gives it (docs/spec/capi.md 5.4)."""
        return name in self._prototypes

    def has(self, name: str) -> bool:
        """Whether the library exports the symbol, whatever its prototype is."""
        return _exports(self._dll, name)


def load(path: str | os.PathLike[str], release: str | None = None) -> Library:
    """Load a library and check that it fits its release; without a release, the library's own word counts.

    An explicit release decides the shape even if the library says another: for builds that lie about it.
    Raises LibraryError, in one line: not loadable, no Wasmtime, too old, or symbols that do not fit
    (docs/spec/capi.md 5.4).
    """
    file = Path(path).absolute()
    dll = _open(file)
    if not _exports(dll, "wasmtime_externref_new"):
        raise LibraryError(f"{file} is no Wasmtime C library, or was built without its gc feature")
    warnings: list[str] = []
    own = _own_major(dll)
    major = _major_wanted(release) if release is not None else own
    if major is None:
        major = shapes.major_from_symbols(lambda name: _exports(dll, name))
        warnings.append(f"{file} does not say its release: taken for {major} by its symbols, name it with release=")
    if major < MIN_RELEASE:
        raise LibraryError(
            f"{file} is Wasmtime {major}, which is too old: releases from {MIN_RELEASE} on are supported"
        )
    if release is not None and own not in (None, major):
        warnings.append(f"{file} says it is Wasmtime {own}, and is driven as {release} because you named that")
    if major > NEWEST_KNOWN:
        warnings.append(f"Wasmtime {major} is newer than TwinHeap knows: it is driven as {NEWEST_KNOWN}")
    library = Library(dll, file, release or str(major), shapes.shape_of(major), warnings)
    _check_symbols(library, shapes.prototypes(library.shape))
    return library


def _open(file: Path) -> ctypes.CDLL:
    if not file.is_file():
        raise LibraryError(f"there is no library {file}: check the path")
    try:
        # Not PyDLL, though it saves 20 ns a call: it would hold the interpreter lock through a hang, and then no other
        # thread of the executor could notice that its parent is gone.
        return ctypes.CDLL(str(file))
    except OSError as error:
        raise LibraryError(f"{file} cannot be loaded: {error}") from None


def _exports(dll: ctypes.CDLL, name: str) -> bool:
    try:
        dll[name]
    except AttributeError:
        return False
    return True


def _major_wanted(release: str) -> int:
    try:
        return parse(release).major
    except WheelError as error:
        raise LibraryError(str(error)) from None


def _check_symbols(library: Library, wanted: dict[str, shapes.Prototype]) -> None:
    missing = [name for name in wanted if not library.has(name)]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LibraryError(
            f"{library.path} lacks {missing[0]}{more}, which Wasmtime {library.shape.major} has: name its real release"
        )


def _own_major(dll: ctypes.CDLL) -> int | None:
    """The major version that the library writes into what it compiles, or None if it cannot or does not say.

    The four functions used have been the same since long before MIN_RELEASE, so asking is safe for any library.
    """
    try:
        engine_new, engine_delete = dll["wasm_engine_new"], dll["wasm_engine_delete"]
        module_new, module_delete = dll["wasmtime_module_new"], dll["wasmtime_module_delete"]
        serialize, vec_delete = dll["wasmtime_module_serialize"], dll["wasm_byte_vec_delete"]
        error_delete = dll["wasmtime_error_delete"]
    except AttributeError:
        # A build without a compiler.
        return None
    pointer = ctypes.c_void_p
    for made in (engine_new, module_new, serialize):
        made.restype = pointer
    for deleted in (engine_delete, module_delete, vec_delete, error_delete):
        deleted.argtypes, deleted.restype = (pointer,), None
    module_new.argtypes = (pointer, ctypes.c_char_p, ctypes.c_size_t, pointer)
    serialize.argtypes = (pointer, pointer)
    engine = engine_new()
    module, image = pointer(), ByteVec()
    error = module_new(engine, _EMPTY_MODULE, len(_EMPTY_MODULE), ctypes.addressof(module))
    if not error:
        error = serialize(module, ctypes.addressof(image))
        module_delete(module)
    engine_delete(engine)
    if error:
        error_delete(error)
        return None
    head = ctypes.string_at(image.data or 0, min(image.size, _ELF_HEADER + _LONGEST_VERSION))
    vec_delete(ctypes.addressof(image))
    return major_in(head)


def major_in(image: bytes) -> int | None:
    """The major version in the head of a compiled module, or None.

    >>> major_in(b"." * 64 + b"\\x00\\x0637.0.2\\x18x86_64"), major_in(b"." * 64 + b"\\x00\\x0250\\x18x86_64")
    (37, 50)
    """
    head = image[_ELF_HEADER:]
    if len(head) < 2 or head[0] != 0:
        return None
    number = head[2 : 2 + head[1]].split(b".")[0]
    return int(number) if number.isdigit() else None
