"""A length of time as people write it: `90s`, `10 minutes`, `1h30m`, `1:30:00`."""

from __future__ import annotations

import re

WORDS = {
    86400.0: ("d", "day", "days"),
    3600.0: ("h", "hr", "hrs", "hour", "hours"),
    60.0: ("m", "min", "mins", "minute", "minutes"),
    1.0: ("s", "sec", "secs", "second", "seconds"),
}
"""Seconds → what they are called."""
LONGEST = 60
"""Of a text that is looked at."""
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"


def _either_case(word: str) -> str:
    """Also for editors, whose patterns know no flags."""
    return "".join(f"[{letter}{letter.upper()}]" for letter in word)


def _part(words: tuple[str, ...]) -> str:
    return rf"(?:[\s,]*(?:and\s+)?({_NUMBER})\s*(?:{'|'.join(map(_either_case, words))}))?"


_CLOCK_PARTS = "([0-9]+):([0-5][0-9]):([0-5][0-9])"
PATTERN = rf"^\s*(?=[0-9])(?:({_NUMBER})|{_CLOCK_PARTS}|{''.join(map(_part, WORDS.values()))})\s*$"
"""For the schema too."""
_DURATION = re.compile(PATTERN)
_CLOCK = re.compile(r"\s*([0-9]+):([0-5][0-9])\s*")


def duration(text: str) -> float | None:
    """Seconds of a length of time, a bare number being seconds; None for anything else."""
    found = _DURATION.match(text) if len(text) < LONGEST else None
    if found is None:
        return None
    bare, *parts = found.groups()
    if bare is not None:
        return float(bare)
    clock = zip(parts[:3], (3600.0, 60.0, 1.0), strict=True)
    return sum(float(part) * unit for part, unit in (*clock, *zip(parts[3:], WORDS, strict=True)) if part)


def no_duration(text: str) -> str:
    """What is wrong with a text that is no length of time, and the cure."""
    clock = _CLOCK.fullmatch(text) if len(text) < LONGEST else None
    if clock is not None:
        first, then = map(int, clock.groups())
        cure = f"write {first}h{then:02d}m, or {first}m{then:02d}s"
        return f"may be hours and minutes, or minutes and seconds: {cure}"
    pointed = text.replace(",", ".")
    if pointed != text and duration(pointed) is not None:
        return f"is not a valid duration: write {pointed.strip()}"
    return "is not a valid duration: write seconds, or for instance 90s, 10 minutes, 1h30m"
