"""The pytest plugin, loaded by pytest in every project that has TwinHeap installed.

It is imported at the start of every pytest run on the machine, so it imports nothing heavy at module level.
"""

from __future__ import annotations
