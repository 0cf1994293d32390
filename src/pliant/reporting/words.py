"""How names and numbers are written in tables and figures: the same in all of them."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

NONE = "–"
"""Where a number is unknown or makes no sense."""
FEW = "†"
"""Beside every number that rests on fewer than three seeds."""
ENOUGH = 3
"""Seeds from which on an interval knows how trainings differ."""
FEW_TASKS = "‡"
"""Beside every number that rests on fewer than five distinct tasks."""
DIGITS = 3
"""Of the width of an interval; decimals follow from it."""
MOST_DECIMALS = 8

_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
"""Characters that show nothing, turn the text around them, or are no character of XML."""
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))


def shown(text: object) -> str:
    """`text` as a person can see it: control characters as their pictures or numbers, nothing as "(empty)"."""
    seen = _UNSEEN.sub(_picture, str(text))
    return seen if seen.strip() else f"({'blank' if seen else 'empty'})"


def short(text: object, most: int) -> str:
    """`text` as shown, its middle left out where it is longer than `most` characters."""
    seen = shown(text)
    if len(seen) <= most:
        return seen
    tail = (most - 1) // 3
    return f"{seen[: most - 1 - tail]}…{seen[len(seen) - tail :]}"


def decimals(ends: Sequence[float] | None, value: float = 0.0) -> int:
    """Decimals that give the width of an interval its digits, or a number without an interval one more."""
    width = ends[1] - ends[0] if ends else 0.0
    size, digits = (width, DIGITS) if width > 0 else (abs(value), DIGITS + 1)
    return min(max(digits - 1 - math.floor(math.log10(size)), 0), MOST_DECIMALS) if size > 0 else 0


def fixed(value: float, places: int, sign: bool = False) -> str:
    """A number with so many decimals, a true minus, and no minus before zero."""
    if value and not 1e-6 <= abs(value) < 1e12:
        text = f"{value:+.2e}" if sign else f"{value:.2e}"
    else:
        text = f"{round(value, places) + 0.0:{'+' if sign else ''},.{places}f}"
    return text.replace("-", "−")


def mean(summary: Mapping[str, Any] | None, sign: bool = False) -> str:
    """The mean of a summary, to the digits that its interval allows."""
    if summary is None:
        return NONE
    return fixed(summary["mean"], decimals(summary["ci95"], summary["mean"]), sign)


def interval(ends: Sequence[float] | None, sign: bool = False) -> str:
    """`−2.81 to −2.02`."""
    if ends is None:
        return ""
    places = decimals(ends, ends[0])
    return f"{fixed(ends[0], places, sign)} to {fixed(ends[1], places, sign)}"


def count(value: float | None) -> str:
    """Steps, operations: three digits, with the prefix of a power of a thousand."""
    if value is None:
        return NONE
    for size, prefix in PREFIXES:
        if abs(value) >= 0.9995 * size:
            return f"{_three(value / size)}\u00a0{prefix}"
    return f"{value:.0f}" if value == round(value) else _three(value)


def seconds(value: float | None) -> str:
    """A time in the unit that suits it, three digits."""
    if value is None:
        return NONE
    for size, unit in TIMES:
        if value >= size:
            return f"{_three(value / size)}\u00a0{unit}"
    return "0\u00a0s" if value == 0 else f"{value:.2e}\u00a0s"


def probability(value: float | None) -> str:
    """A probability; a p-value below what anyone should read into it is said to be below."""
    return NONE if value is None else "<\u00a00.001" if value < 0.001 else f"{value:.3f}"


def share(value: float | None) -> str:
    """A share between 0 and 1, two digits."""
    return NONE if value is None else f"{value:.2f}"


def is_few(seeds: Sequence[int]) -> bool:
    """Fewer than three."""
    return len(seeds) < ENOUGH


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _three(value: float) -> str:
    rounded = float(f"{value:.{DIGITS}g}")  # first, as 999.9 has no more decimals than 1000
    return f"{rounded:,.{decimals((0.0, abs(rounded)))}f}"


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"
