"""Sizes and CPU counts in the words of `[runners.docker]`, read as the docker executor reads them; spans of time.

Pure and light: the plan uses it too.
"""

from __future__ import annotations

_POWERS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_LARGEST = 2**63 - 1
_NANO_DIGITS = 9
_NANO = 10**9
_MOST_DIGITS = 40
_DURATION = r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?"
_SECONDS = (86400, 3600, 60, 1)


def parse_bytes(size: str) -> int:
    """Bytes of a size such as "512m", "1.5g", "2 GiB" or "1048576".

    Units are powers of 1024 in either case, with an optional "b" or "ib" behind; no unit is bytes.
    Raises ValueError where Docker refuses the size too, negative ones included.
    """
    number, unit = _split_size(size)
    try:
        value = float(number)
    except ValueError:
        raise ValueError(f"not a size: {size}") from None
    size_in_bytes = value * float(1 << 10 * _POWERS[unit])
    if not 0 <= size_in_bytes <= _LARGEST:
        raise ValueError(f"not a size: {size}")
    return int(size_in_bytes)


def parse_cpus(cpus: str) -> int:
    """Billionths of a CPU of a count such as "2", "0.5" or "3/2"; digits beyond are cut off.

    Raises ValueError where it is not a number, or negative.
    """
    numerator, slash, denominator = cpus.partition("/")
    divisor = _natural(denominator, cpus) if slash else 1
    nanos = _natural(numerator, cpus) * _NANO // divisor if slash and divisor else _decimal_nanos(cpus)
    if nanos > _LARGEST:
        raise ValueError(f"not a number of CPUs: {cpus}")
    return nanos


def parse_duration(text: str) -> int:
    """Seconds of a span such as "30m", "1h30m" or "2d"; a bare number is seconds.

    Raises ValueError for anything else, negative ones included.
    """
    import re

    parts = re.fullmatch(_DURATION, f"{text}s" if text[-1:].isdigit() else text, re.ASCII)
    if not text or not parts:
        raise ValueError(f"not a span of time: {text}")
    return sum(int(count or 0) * seconds for count, seconds in zip(parts.groups(), _SECONDS, strict=True))


def _split_size(size: str) -> tuple[str, str]:
    """The number and the first letter of the unit: only one space between them, as in Docker's grammar."""
    end = max(size.rfind(character) for character in "0123456789. ")
    number = size[:end] if size[end : end + 1] == " " else size[: end + 1]
    suffix = size[end + 1 :].lower()
    unit = suffix[:1]
    plain = number.isascii() and number == number.strip() and "_" not in number
    if not plain or unit not in _POWERS or suffix[1:] not in (("",) if unit in ("", "b") else ("", "b", "ib")):
        raise ValueError(f"not a size: {size}")
    return number, unit


def _decimal_nanos(cpus: str) -> int:
    """Exact where a float would lose the last billionth ("0.29")."""
    mantissa, _, exponent = cpus.lower().partition("e")
    whole, _, fraction = mantissa.removeprefix("+").partition(".")
    shift = _NANO_DIGITS - len(fraction) + _exponent(exponent, "e" in cpus.lower(), cpus)
    digits = _natural(whole + fraction, cpus)
    return digits * int(10**shift) if shift >= 0 else digits // int(10**-shift)


def _exponent(text: str, present: bool, cpus: str) -> int:
    if not present:
        return 0
    value = _natural(text.lstrip("+-") if text[1:2] not in ("+", "-") else "", cpus)
    if value > _MOST_DIGITS:
        raise ValueError(f"not a number of CPUs: {cpus}")
    return -value if text.startswith("-") else value


def _natural(digits: str, cpus: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        raise ValueError(f"not a number of CPUs: {cpus}")
    return int(digits)
