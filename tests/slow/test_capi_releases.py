"""Every release on PyPI: its shape fits, and the facts that a release profile relies on hold."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from twinheap.targets.capi import wheels
from twinheap.targets.capi.releases import parse

RELEASES = [
    *("29.0.0", "31.0.0", "32.0.0", "33.0.0", "34.0.0", "36.0.0", "37.0.0", "38.0.0", "41.0.0", "42.0.0", "43.0.0"),
    *("44.0.0", "45.0.0", "46.0.1", "47.0.1", "48.0.0", "49.0.0", "50.0.1"),
]
"""Both sides of every change that docs/spec/capi.md 5.4 lists, and the newest."""

SETUP = """
import json, sys
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.library import load
from twinheap.targets.capi.valtypes import RefType
library = load(sys.argv[1])
api = CApi(library)
store = api.store_new(65536)
cx = store.context
a, b, null = (api.memory.take_extern() for _ in range(3))
any_ = api.memory.take_any()
item = api.memory.take_item()
def done(value):
    print(json.dumps(value), flush=True)
"""


def run(release: str, body: str) -> tuple[int, Any, str]:
    """Run a probe in a process of its own, since it may abort; exit status, result and stderr."""
    command = [sys.executable, "-P", "-c", SETUP + body, str(wheels.fetch(release))]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return process.returncode, json.loads(process.stdout) if process.stdout else None, process.stderr


@pytest.fixture(scope="module", autouse=True)
def network(require: Callable[[str], None]) -> None:
    """Releases are fetched once and then come from the cache, but a fresh machine needs the network."""
    require("network")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def probe(release: str, body: str) -> Any:
    status, result, words = run(release, body)
    assert status == 0, words
    return result


def test_a_library_says_the_major_version_of_its_wheel(release: str) -> None:
    assert probe(release, "done([library.shape.major, library.warnings])") == [parse(release).major, []]


def test_unroot_is_prompt_to_36_and_deferred_since(release: str) -> None:
    result = probe(
        release,
        "api.externref_new(cx, 1, a); api.externref_unroot(cx, a)\n"
        "now = api.drain(); api.gc(cx); done([now, api.drain()])",
    )
    assert result == ([[1], []] if parse(release).major <= 36 else [[], [1]])


def test_repeated_exposure_leaks_to_44(release: str) -> None:
    result = probe(
        release,
        "api.externref_new(cx, 1, a); api.externref_to_raw(cx, a); api.externref_to_raw(cx, a)\n"
        "api.externref_unroot(cx, a); api.gc(cx); first = api.drain(); api.store_delete(store.pointer)\n"
        "done([first, api.drain()])",
    )
    assert result == ([[], [1]] if parse(release).major <= 44 else [[1], []])


def test_i31_as_externref_aborts_without_heap_from_32_to_45(release: str) -> None:
    status, result, words = run(release, "api.externref_from_raw(cx, 7, a); done(api.externref_to_raw(cx, a))")
    if 32 <= parse(release).major <= 45:
        assert status == -signal.SIGABRT
        assert "attempted to access the store's GC heap before it has been allocated" in words
    else:
        assert (status, result) == (0, 7)


def test_the_limit_governs_the_heap_from_33(release: str) -> None:
    major = parse(release).major
    result = probe(
        release,
        "n = 0\nwhile api.externref_new(cx, n, api.memory.take_extern()): n += 1\ndone([n, api.drain()])",
    )
    # Before 33 the heap is 512 KiB, whatever the limit; an externref is 24 bytes to 31, and 32 since.
    capacity = 21845 if major <= 31 else 16383 if major == 32 else 2047
    assert result == [capacity, [capacity]]


def test_overwriting_a_global_finalizes_at_once_to_46(release: str) -> None:
    result = probe(
        release,
        "api.externref_new(cx, 1, a); api.global_new(cx, RefType.EXTERNREF, True, a, item)\n"
        "api.externref_unroot(cx, a); api.gc(cx); api.drain(); api.global_set(cx, item, null)\n"
        "now = api.drain(); api.gc(cx); done([now, api.drain()])",
    )
    assert result == ([[1], []] if parse(release).major <= 46 else [[], [1]])


def test_values_given_to_host_tables_leak_to_36(release: str) -> None:
    result = probe(
        release,
        "api.table_new(cx, RefType.EXTERNREF, 1, None, null, item); api.externref_new(cx, 1, a)\n"
        "api.table_set(cx, item, 0, a); api.table_set(cx, item, 0, null); api.externref_unroot(cx, a); api.gc(cx)\n"
        "done(api.drain())",
    )
    assert result == ([] if parse(release).major <= 36 else [1])


def test_trims_come_in_batches_of_eight_from_37_to_46(release: str) -> None:
    result = probe(
        release,
        "out = []\n"
        "for i in range(1, 26):\n"
        "    api.externref_new(cx, i, a); api.externref_unroot(cx, a)\n"
        "    out.append(len(api.drain()))\n"
        "done([[i + 1, n] for i, n in enumerate(out) if n])",
    )
    major = parse(release).major
    expected = [[i, 1] for i in range(1, 26)] if major <= 36 else [[9, 8], [17, 8], [25, 8]] if major <= 46 else []
    assert result == expected


def test_wrong_store_aborts(release: str) -> None:
    status, _, words = run(
        release,
        "other = api.store_new(); api.externref_new(cx, 1, a); api.externref_new(other.context, 2, b)\n"
        "done(api.externref_data(other.context, a))",
    )
    assert status == -signal.SIGABRT
    assert "object used with wrong store" in words


def test_global_and_table_round_trip(release: str) -> None:
    result = probe(
        release,
        "api.externref_new(cx, 1, a); api.anyref_from_i31(cx, 5, any_); table = api.memory.take_item()\n"
        "out = [api.global_new(cx, RefType.ANYREF, True, any_, item)]\n"
        "out += [api.table_new(cx, RefType.EXTERNREF, 1, 2, a, table)]\n"
        "api.global_get(cx, item, any_); out += [api.i31_get_s(cx, any_), api.table_get(cx, table, 0, b)]\n"
        "out += [api.externref_data(cx, b), api.table_grow(cx, table, 1, b), api.table_size(cx, table)]\n"
        "done(out + [api.table_grow(cx, table, 1, b), api.table_set(cx, table, 2, b)])",
    )
    outside = result.pop()
    assert result == [None, None, 5, True, 1, 1, 2, "failed to grow table by `1`"]
    assert outside.endswith("index out of bounds" if parse(release).major <= 36 else "out of bounds table access")
