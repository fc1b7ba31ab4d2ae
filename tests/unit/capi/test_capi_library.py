"""Shapes of releases, and what `load` accepts."""

from __future__ import annotations

import _ctypes
import ctypes
import importlib.util
import os
from pathlib import Path

import pytest

from twinheap.targets.capi import shapes, wheels
from twinheap.targets.capi.library import LibraryError, load, major_in
from twinheap.targets.capi.releases import NEWEST_KNOWN, parse


@pytest.fixture(scope="module")
def installed() -> tuple[str, Path]:
    """The default target; its absence fails where TWINHEAP_REQUIRE names wasmtime."""
    if importlib.util.find_spec("wasmtime") is None and "wasmtime" not in os.environ.get("TWINHEAP_REQUIRE", ""):
        pytest.skip("the wasmtime distribution is absent")
    return wheels.installed_library()


@pytest.mark.parametrize(
    ("major", "handle", "val", "item", "context", "returns"),
    [
        (29, 16, 24, 16, True, False),
        (33, 16, 24, 16, True, False),
        (34, 16, 24, 24, True, False),
        (36, 16, 24, 24, True, False),
        (37, 24, 32, 24, True, False),
        (38, 24, 32, 24, False, False),
        (41, 24, 32, 24, False, False),
        (42, 24, 32, 24, False, True),
        (NEWEST_KNOWN + 50, 24, 32, 24, False, True),
    ],
)
def test_shape_of_each_generation(major: int, handle: int, val: int, item: int, context: bool, returns: bool) -> None:
    shape = shapes.shape_of(major)
    assert (shape.handle_size, shape.val_size, shape.item_size) == (handle, val, item)
    assert (shape.release_takes_context, shape.gc_returns_error) == (context, returns)
    known = shapes.prototypes(shape)
    assert len(known["wasmtime_externref_unroot"][1]) == 1 + context
    assert len(known["wasmtime_val_clone"][1]) == 2 + context
    assert (known["wasmtime_context_gc"][0] is not None) == returns
    assert ("wasmtime_anyref_is_struct" in known) == (major >= 44)


def test_installed_library_says_its_own_release(installed: tuple[str, Path]) -> None:
    release, path = installed
    library = load(path)
    assert library.shape.major == parse(release).major
    assert library.shape == load(path, release).shape
    assert load(path, release).release == release
    if parse(release).major <= NEWEST_KNOWN:
        assert library.warnings == []


def test_installed_library_is_found_without_importing_it(installed: tuple[str, Path]) -> None:
    assert installed[1].is_file()
    assert installed[1].parent.parent.name == "wasmtime"


def test_symbols_alone_bound_the_release(installed: tuple[str, Path]) -> None:
    library = load(installed[1])
    assert shapes.shape_of(shapes.major_from_symbols(library.has)).handle_size == library.shape.handle_size


def test_newer_than_known_is_driven_in_the_newest_shape_with_a_warning(installed: tuple[str, Path]) -> None:
    library = load(installed[1], "99.0.0")
    assert library.shape.gc_returns_error
    assert any("newer than TwinHeap knows" in line for line in library.warnings)
    assert any("because you named that" in line for line in library.warnings)


def test_an_explicit_release_wins_with_a_warning(installed: tuple[str, Path]) -> None:
    library = load(installed[1], "42.0.0")
    assert library.shape.major == 42
    assert any("driven as 42.0.0 because you named that" in line for line in library.warnings)


def test_what_is_no_wasmtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="there is no library"):
        load(tmp_path / "absent.so")
    text = tmp_path / "text.so"
    text.write_text("not a library")
    with pytest.raises(LibraryError, match="cannot be loaded"):
        load(text)
    with pytest.raises(LibraryError, match="is no Wasmtime C library"):
        load(_ctypes.__file__)


def test_releases_too_old_are_refused(installed: tuple[str, Path]) -> None:
    with pytest.raises(LibraryError, match="too old"):
        load(installed[1], "28.0.0")


def test_unknown_functions_are_refused_in_one_line(installed: tuple[str, Path]) -> None:
    with pytest.raises(LibraryError, match=r"has no wasmtime_nonsense, so it is no Wasmtime"):
        load(installed[1]).function("wasmtime_nonsense", None)


def test_two_prototypes_of_one_function_do_not_disturb_each_other(installed: tuple[str, Path]) -> None:
    library = load(installed[1])
    first = library.bound("wasmtime_externref_data")
    library.function("wasmtime_externref_data", None)
    assert first.argtypes == (ctypes.c_void_p, ctypes.c_void_p)  # type: ignore[attr-defined]


@pytest.mark.parametrize("image", [b"", b"." * 64, b"." * 64 + b"\x01\x0250", b"." * 64 + b"\x00\x03abc"])
def test_a_head_without_a_version_says_nothing(image: bytes) -> None:
    assert major_in(image) is None
