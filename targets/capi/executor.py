"""The executor of Wasmtime's C API: `python -P -m twinheap.targets.capi.executor --library PATH [--release 43.0.0]`."""

from __future__ import annotations

import argparse
import gc
import sys

from twinheap.targets import serve
from twinheap.targets.capi import library
from twinheap.targets.capi.api import CApi
from twinheap.targets.capi.machine import CapiMachine

GC_THRESHOLD = 50_000
"""Objects made before Python looks for cycles; the machine makes none."""


def main() -> None:
    """Loads the library and serves. Exits with 2, and one line on standard error, if it cannot be used."""
    parser = argparse.ArgumentParser(description="Runs programs on Wasmtime's C API; speaks the wire on its streams.")
    parser.add_argument("--library", required=True, help="path of libwasmtime.so")
    parser.add_argument("--release", default=None, help="its release, if the library does not say it")
    options = parser.parse_args()
    try:
        loaded = library.load(options.library, options.release)
        for warning in loaded.warnings:
            print(warning, file=sys.stderr)
        machine = CapiMachine(CApi(loaded))
    except library.LibraryError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    serve.main(machine)


if __name__ == "__main__":
    main()
