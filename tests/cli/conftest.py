"""Running the command line as a user does, in a process of its own and in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Outcome(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Twinheap = Callable[..., Outcome]


@pytest.fixture
def twinheap(tmp_path: Path) -> Twinheap:
    """Return ``twinheap(*words, **environment)``, which runs in a folder where no settings file is."""

    def run(*words: str, **environment: str) -> Outcome:
        own = {name: value for name, value in os.environ.items() if not name.startswith("TWINHEAP_")}
        own |= {"COLUMNS": "80", "NO_COLOR": "1", **environment}
        if cache := os.environ.get("TWINHEAP_CACHE"):
            own.setdefault("TWINHEAP_CACHE", cache)
        command = [sys.executable, "-P", "-m", "twinheap", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=own, timeout=240, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
