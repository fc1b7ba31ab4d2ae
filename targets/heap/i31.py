"""31-bit integers that live in the reference itself (`docs/spec/semantics.md` 1.2)."""

from typing import Final

PAYLOAD_MASK: Final = 0x7FFF_FFFF
SIGN_BIT: Final = 0x4000_0000
MIN_I31: Final = -(1 << 30)
MAX_I31: Final = (1 << 30) - 1


class I31:
    """A 31-bit integer, seen as unsigned or as signed.

    >>> I31.wrapping_u32(0xFFFF_FFFF).get_u32() == 2**31 - 1
    True
    >>> I31.wrapping_i32(-1).get_i32(), hex(I31.wrapping_i32(-1).raw)
    (-1, '0xffffffff')
    >>> I31.new_u32(2**31) is None, I31.new_i32(2**30) is None
    (True, True)
    """

    __slots__ = ("_payload",)

    def __init__(self, payload: int) -> None:
        self._payload = payload & PAYLOAD_MASK  # mutant t06: self._payload = payload & 0x3FFF_FFFF

    @staticmethod
    def new_u32(value: int) -> "I31 | None":
        """The i31 of an unsigned value, or None unless 0 <= value < 2^31."""
        return I31(value) if 0 <= value <= PAYLOAD_MASK else None

    @staticmethod
    def new_i32(value: int) -> "I31 | None":
        """The i31 of a signed value, or None unless -2^30 <= value < 2^30."""
        return I31(value) if MIN_I31 <= value <= MAX_I31 else None

    @staticmethod
    def wrapping_u32(value: int) -> "I31":
        """The i31 of the low 31 bits of an unsigned value."""
        return I31(value)

    @staticmethod
    def wrapping_i32(value: int) -> "I31":
        """The i31 of the low 31 bits of a signed value."""
        return I31(value)

    @staticmethod
    def from_raw(raw: int) -> "I31":
        """Decode an odd 32-bit reference."""
        return I31(raw >> 1)

    @property
    def raw(self) -> int:
        """The 32-bit reference that carries this integer: payload shifted up, bit 0 set."""
        return self._payload << 1 | 1

    def get_u32(self) -> int:
        """The value, zero-extended."""
        return self._payload

    def get_i32(self) -> int:
        """The value, sign-extended from bit 30."""
        return self._payload - 2 * (self._payload & SIGN_BIT)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, I31) and other._payload == self._payload

    def __hash__(self) -> int:
        return hash((I31, self._payload))

    def __repr__(self) -> str:
        return f"I31({self._payload})"
