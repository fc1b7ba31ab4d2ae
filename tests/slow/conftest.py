"""What tests of executors of the Rust API ask for: building one takes minutes."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from twinheap.targets.rust import cache
from twinheap.targets.rust.flavour import DEFAULT_RELEASE, Flavour


@pytest.fixture(scope="session")
def is_built() -> Callable[[str], bool]:
    """Return ``is_built(target)``: whether the executor of a target like ``rust@48.0.2,zeal`` is there, built from
    this checkout's crate.
    """

    def check(target: str) -> bool:
        release = target.partition("@")[2].partition(",")[0] or DEFAULT_RELEASE
        return cache.is_fresh(Flavour(release, zeal="zeal" in target), cache.digest(cache.crate()))

    return check


@pytest.fixture(scope="session")
def require_executor(require: Callable[[str], None], is_built: Callable[[str], bool]) -> Callable[[], None]:
    """Return ``require_executor()``: skip the test if the default one is not built and nobody requires rust."""

    def check() -> None:
        if not is_built("rust") and "rust" not in os.environ.get("TWINHEAP_REQUIRE", ""):
            pytest.skip("not built: `twinheap rust build` takes minutes")
        require("rust")

    return check
