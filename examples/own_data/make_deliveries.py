"""Writes deliveries.csv: invented orders of 150 customers, late or in time by a formula with chance in it."""

from __future__ import annotations

import math
import random
from pathlib import Path

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
COURIERS = ("bike", "car", "scooter")
MINUTES_PER_KM = {"bike": 4.0, "car": 2.5, "scooter": 3.0}


def rows(number: int = 800, seed: int = 7) -> list[str]:
    """The lines of the file, its header first."""
    chance = random.Random(seed)
    lines = ["customer,weekday,courier,distance_km,items,kitchen_minutes,delivery"]
    for _ in range(number):
        weekday, courier = chance.choice(WEEKDAYS), chance.choice(COURIERS)
        distance = round(0.3 + 9 * chance.random() ** 2, 1)
        items = 1 + int(7 * chance.random() ** 2)
        kitchen = round(6 + 2 * items + 8 * chance.random())
        rush = 8 if weekday in ("Fri", "Sat") else 0
        minutes = kitchen + MINUTES_PER_KM[courier] * distance + rush
        late = chance.random() < 1 / (1 + math.exp((34 - minutes) / 3))
        known = "" if chance.random() < 0.05 else str(kitchen)  # not every kitchen says how long it took
        customer = f"c{chance.randrange(150):03}"
        lines.append(
            f"{customer},{weekday},{courier},{distance},{items},{known},{'late' if late else 'in time'}"
        )
    return lines


if __name__ == "__main__":
    target = Path(__file__).with_name("deliveries.csv")
    target.write_text("\n".join(rows()) + "\n", encoding="utf-8")
