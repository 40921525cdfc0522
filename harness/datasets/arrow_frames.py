"""Arrow's columns as pandas': numbers, bools, moments and texts, else objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa


def coded_of(schema: pa.Schema) -> set[str]:
    """Columns of whole numbers that pandas wrote as categories: Parquet keeps that for texts alone, so that
    they come back as numbers, but what pandas stores beside them says it."""
    described = (schema.pandas_metadata or {}).get("columns", [])
    named = {one["name"] for one in described if one["pandas_type"] == "categorical"}
    return {field.name for field in schema if field.name in named and pa.types.is_integer(field.type)}


def column_of(file: Any, name: str) -> pa.ChunkedArray:
    """A column of a Parquet file by its name, in which a point may stand."""
    return file.read(columns=[name]).column(name)


def as_series(column: pa.ChunkedArray, as_text: bool) -> pd.Series:
    """A column in a type that pandas has; `as_text`: whole numbers and decimals as they are written."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if as_text and (pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)):
        # As text: whole numbers beside holes would become floats, and long ids lose their last digits.
        column = column.cast(pa.string())
    return frame_of([column], ["0"])["0"]


def frame_of(columns: list[pa.ChunkedArray], names: Sequence[str]) -> pd.DataFrame:
    """Columns of numbers, bools, moments and texts, else objects; the list is empty afterwards."""
    plain = pa.table({str(place): _plain(column) for place, column in enumerate(columns)})
    columns.clear()
    # Column by column, each let go when it is there: a large table would be held twice.
    frame: pd.DataFrame = plain.to_pandas(date_as_object=False, split_blocks=True, self_destruct=True)
    frame.columns = pd.Index(list(names), dtype=object)
    return frame


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in a type that pandas has: decimals and times of day as numbers, dictionaries resolved."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain(column.cast(kind.value_type))
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    if pa.types.is_time(kind):
        scale = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        whole = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
        return pa.compute.divide(whole.cast(pa.float64()), scale)
    if pa.types.is_duration(kind):
        scale = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return pa.compute.divide(column.cast(pa.int64()).cast(pa.float64()), scale)
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())
    return column
