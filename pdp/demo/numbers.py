"""Made-up numbers that have the right shape: KvK numbers, RSINs, fiscal numbers, pseudonyms.

Each is computed from a position, so that they are unique without a list of those already given out.
"""

from collections.abc import Iterator

_SPACE = 100_000_000
# Odd and no multiple of 5, so multiplying by it permutes the numbers below 10^8.
_KVK_STEP = 61_803_399
_RSIN_STEP = 27_644_437
# Of every eight candidates at least five pass the elfproef.
RSINS_PER_EMPLOYER = 8
_WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2)


def kvk_number(position: int, offset: int = 0) -> str:
    """The KvK number (8 digits) at a position below 10^8; `offset` shifts them all."""
    return f"{(position * _KVK_STEP + offset) % _SPACE:08d}"


def rsins(position: int, offset: int = 0) -> Iterator[str]:
    """Numbers of nine digits that pass the elfproef, other ones for every position (below 12 million)."""
    for candidate in range(position * RSINS_PER_EMPLOYER, (position + 1) * RSINS_PER_EMPLOYER):
        eight = f"{(candidate * _RSIN_STEP + offset) % _SPACE:08d}"
        check = check_digit(eight)
        if check is not None and eight != "00000000":
            yield f"{eight}{check}"


def check_digit(eight: str) -> int | None:
    """The ninth digit by the elfproef, None when there is none (remainder 10)."""
    remainder = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, eight, strict=True)) % 11
    return remainder if remainder < 10 else None


def passes_elfproef(nine: str) -> bool:
    """Whether nine digits (an RSIN, or a fiscal number without its suffix) pass the elfproef."""
    if len(nine) != 9 or not nine.isascii() or not nine.isdecimal() or nine == "000000000":
        return False
    return check_digit(nine[:8]) == int(nine[8])
