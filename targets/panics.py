"""Finding the panic message in what a Rust runtime wrote to standard error before it died (semantics.md 7)."""

from __future__ import annotations

from typing import Final

from twinheap.model.observation import canonical_panic

_MARK: Final = "panicked at "
# What follows a message; a panic that aborts prints a second one, which says only that.
_AFTER: Final = ("\nnote: ", "\nstack backtrace:", "\nthread ", "\nfatal runtime error")


def panic_of(stderr: str) -> str | None:
    """The canonical outcome of the first panic that standard error tells of, or None.

    Rust writes ``thread 'main' panicked at src/lib.rs:1:2:`` and the message on the next line; before 1.73 it wrote
    ``panicked at 'message', src/lib.rs:1:2``.

    >>> panic_of("thread 'main' panicked at src/x.rs:9:5:\\nboom\\nnote: run with `RUST_BACKTRACE=1`")
    'panic:boom'
    >>> panic_of("thread '<unnamed>' panicked at 'object used with wrong store', src/x.rs:9:5")
    'panic:object used with wrong store'
    >>> panic_of("Segmentation fault") is None
    True
    """
    at = stderr.find(_MARK)
    if at < 0:
        return None
    text = stderr[at + len(_MARK) :]
    stop = min((where for mark in _AFTER if (where := text.find(mark)) >= 0), default=len(text))
    text = text[:stop]
    first, _, rest = text.partition("\n")
    if first.rstrip().endswith(":"):
        return canonical_panic(rest)
    if first.startswith("'"):
        return canonical_panic(first[1:].rpartition("', ")[0] or first)
    return canonical_panic(text)
