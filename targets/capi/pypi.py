"""Asking PyPI, through pip and nothing else, so that the user's mirrors, proxies and certificates hold here too.

pip runs as a child process of the same interpreter. Its words are read only to tell the user what to do next.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from twinheap.targets.capi.releases import WheelError, supported

# The distribution whose wheels contain Wasmtime's C library.
DISTRIBUTION = "wasmtime"
# Seconds. A wheel is 7 to 10 MB; a connection too slow for that in ten minutes is as good as none.
PIP_TIMEOUT = 600
# pip's own patience: without a network its defaults wait half a minute for nothing.
_PATIENCE = ["--retries", "2", "--timeout", "15"]

_NO_PIP = "No module named pip"
_NO_NETWORK = re.compile(
    r"from versions: none|Retrying \(|ConnectionError|NewConnectionError|NameResolutionError|name resolution|"
    r"Network is unreachable|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries exceeded"
)
_NO_RELEASE = re.compile(r"No matching distribution found|Could not find a version")
_NO_SPACE = re.compile(r"No space left on device")
_VERSIONS = re.compile(r"^Available versions: (.*)$", re.MULTILINE)


class _Absent(WheelError):
    """pip answers that PyPI does not have it."""


def _pip(arguments: list[str]) -> str:
    """The standard output of one pip command; every way it can fail becomes a WheelError."""
    command = [sys.executable, "-P", "-m", "pip", *arguments, *_PATIENCE, "--disable-pip-version-check", "--no-input"]
    try:
        # Colours and progress bars off and English on: the text is matched below.
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=PIP_TIMEOUT,
            env={**os.environ, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise WheelError(f"pip did not finish in {PIP_TIMEOUT} s: check the network and try again") from None
    if done.returncode != 0:
        raise _reason(done.stderr)
    return done.stdout


def _reason(words: str) -> WheelError:
    """Why pip failed, in one line. The order matters: without a network pip also says that nothing matches."""
    if _NO_PIP in words:
        return WheelError("pip is not installed in this environment: run python -m ensurepip")
    if _NO_SPACE.search(words):
        return WheelError("the disk is full: free some space, or move the cache with TWINHEAP_CACHE")
    if _NO_NETWORK.search(words):
        return WheelError("PyPI cannot be reached: check the network, or fetch the release where there is one")
    if _NO_RELEASE.search(words):
        return _Absent("no such release on PyPI")
    lines = [line for line in words.splitlines() if line.strip()]
    last = lines[-1].strip() if lines else "it said nothing"
    return WheelError(f"pip failed: {last}")


def listing() -> list[str]:
    """The releases on PyPI that we can drive, oldest first.

    Raises WheelError, in one line, without a network or without pip (docs/spec/capi.md 5.4).
    """
    match = _VERSIONS.search(_pip(["index", "versions", DISTRIBUTION]))
    if match is None:
        raise WheelError("pip does not list the releases: update it with python -m pip install -U pip")
    return supported(name.strip() for name in match[1].split(","))


def download(release: str, folder: Path) -> Path:
    """Download the wheel of a release for this machine into the folder; the path of the file.

    pip checks the hash that PyPI states. Raises WheelError if there is no such release or no network.
    """
    requirement = f"{DISTRIBUTION}=={release}"
    try:
        # The only-binary switch keeps pip from building a source archive, which would run code of the archive.
        _pip(["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement])
    except _Absent:
        raise WheelError(f"PyPI has no Wasmtime {release} for this machine: see twinheap wheels ls") from None
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise WheelError(f"pip downloaded no wheel for Wasmtime {release}: try again")
    return wheels[0]
