"""Units that numbers are written with: `12 kg`, `1248 CC`, `36 months`."""

from __future__ import annotations

import re

UNITS = (
    "mm", "cm", "dm", "m", "km", "in", "inch", "inches", "ft", "foot", "feet", "yd", "mi", "mile",
    "miles", "nm", "mg", "g", "kg", "t", "lb", "lbs", "oz", "ml", "cl", "dl", "l", "L", "litre",
    "litres", "liter", "liters", "gal", "cc", "CC", "ms", "s", "sec", "secs", "second", "seconds", "min",
    "mins", "minute", "minutes", "h", "hr", "hrs", "hour", "hours", "d", "day", "days", "week", "weeks",
    "month", "months", "yr", "yrs", "year", "years", "kB", "KB", "MB", "GB", "TB", "Mbps", "px", "MP",
    "mAh", "Ah", "Wh", "kWh", "W", "kW", "MW", "hp", "bhp", "BHP", "PS", "kV", "mV", "mA", "Nm", "Hz",
    "kHz", "MHz", "GHz", "rpm", "bar", "psi", "Pa", "hPa", "kPa", "°C", "°F", "dB", "bpm", "kcal", "kJ",
    "KG", "KM", "CM", "MM", "ML", "LB", "LBS", "OZ",
    "m²", "m2", "m³", "m3", "km²", "km2", "sqm", "sqft", "ft²", "ft2", "ha", "ac", "acre", "acres",
    "km/h", "kmh", "kmph", "kmpl", "km/kg", "mph", "mpg", "m/s", "k", "K", "M", "B", "bn", "mn", "mio",
    "Mio", "thousand", "million", "billion",
)  # fmt: skip
"""What may stand behind a number; the last ones say how large it is."""
SEVERAL = {
    "years": "year", "yrs": "yr", "months": "month", "weeks": "week", "days": "day", "hours": "hour",
    "hrs": "hr", "minutes": "minute", "mins": "min", "seconds": "second", "secs": "sec", "lbs": "lb",
    "miles": "mile", "litres": "litre", "liters": "liter", "acres": "acre",
}  # fmt: skip
"""A unit as it stands behind several → behind one."""
PATTERN = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))


def one_spelling(marks: set[str]) -> set[str]:
    """Marks of which some mean one unit: `year` and `years` are `years`."""
    several = {one: many for many, one in SEVERAL.items() if many in marks}
    return {several.get(mark, mark) for mark in marks}
