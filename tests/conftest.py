"""What every test may ask for."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable

import pytest

REQUIRE_VARIABLE = "TWINHEAP_REQUIRE"
OLD_RELEASE = "29.0.0"
"""Listed by the index, but hardly ever by a local folder of wheels, which is no network."""
NETWORK_TIMEOUT = 30
"""Seconds that the package index may take to answer before the network counts as absent."""


def _has_network() -> bool:
    """Ask for one package through pip: it is how releases are fetched, so its proxies and indexes are the ones."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "index", "versions", "wasmtime"]
    try:
        answer = subprocess.run(
            [*command, "--retries", "1"], capture_output=True, text=True, timeout=NETWORK_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return OLD_RELEASE in answer.stdout


PROBES: dict[str, Callable[[], bool]] = {
    "atheris": lambda: importlib.util.find_spec("atheris") is not None,
    "compiler": lambda: shutil.which("cc") is not None,
    "network": _has_network,
    "rust": lambda: shutil.which("cargo") is not None,
}
"""Name of a thing that a machine may lack -> is it here?"""


@functools.cache
def _is_present(name: str) -> bool:
    return PROBES[name]()


def _required_names() -> frozenset[str]:
    value = os.environ.get(REQUIRE_VARIABLE, "")
    return frozenset(name.strip() for name in value.split(",") if name.strip())


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown name: a slip of the pen would silently require nothing."""
    unknown = sorted(_required_names() - PROBES.keys())
    if unknown:
        raise pytest.UsageError(f"{REQUIRE_VARIABLE}: unknown {', '.join(unknown)} (known: {', '.join(PROBES)})")


@pytest.fixture(scope="session")
def require() -> Callable[[str], None]:
    """Return ``require(name)``: skip the test if `name` is absent, or fail it if TWINHEAP_REQUIRE lists `name`."""

    def check(name: str) -> None:
        if _is_present(name):
            return
        if name in _required_names():
            pytest.fail(f"{name} is absent, and {REQUIRE_VARIABLE} asks for it", pytrace=False)
        pytest.skip(f"{name} is absent")

    return check
