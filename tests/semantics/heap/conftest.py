"""Stores that every test of the heap's objects may ask for; a module may define its own."""

import pytest

from twinheap.targets.heap import Store


@pytest.fixture
def dropped() -> list[object]:
    return []


@pytest.fixture(params=["drc", "null", "copying"])
def store(request, dropped) -> Store:
    return Store(request.param, on_finalize=dropped.append, verify=True)


@pytest.fixture
def drc(dropped) -> Store:
    return Store("drc", on_finalize=dropped.append, verify=True)
