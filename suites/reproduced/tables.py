"""Writes the tables beside it: rows of textbooks and guides, cut as their authors cut them.

    pip download --no-deps islp==0.6.0 && unzip islp-*.whl 'ISLP/data/*'
    python suites/reproduced/tables.py ISLP/data

The rows are met so, their order is not: the harness gives its own to what it trains on. What draws rows
by their place (forests, folds) meets a figure within the spread over orders only.
Carseats, Hitters and Smarket are of the package islp, iris and diabetes of scikit-learn, both of BSD licence.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import train_test_split

TABLES = Path(__file__).with_name("tables")


def main(islp: Path) -> None:
    TABLES.mkdir(exist_ok=True)
    for name, (train, test) in {**of_islp(islp), **of_scikit_learn()}.items():
        for part, rows in (("train", train), ("test", test)):
            rows.to_csv(TABLES / f"{name}_{part}.csv", index=False, float_format="%.9g")


def of_islp(folder: Path) -> dict[str, list[pd.DataFrame]]:
    """Of the labs of An Introduction to Statistical Learning; qualities as columns of 0 and 1."""
    seats = pd.read_csv(folder / "Carseats.csv", keep_default_na=False)
    seats["High"] = np.where(seats.pop("Sales") > 8, "Yes", "No")
    shelf = seats.columns.get_loc("ShelveLoc")
    seats.insert(shelf + 1, "ShelveLoc_Medium", (seats["ShelveLoc"] == "Medium").astype(int))
    seats.insert(shelf, "ShelveLoc_Good", (seats.pop("ShelveLoc") == "Good").astype(int))
    for column in ("Urban", "US"):
        seats[column] = (seats[column] == "Yes").astype(int)
    hitters = pd.read_csv(folder / "Hitters.csv").dropna()
    for column, one in (("League", "N"), ("Division", "W"), ("NewLeague", "N")):
        hitters[column] = (hitters[column] == one).astype(int)
    market = pd.read_csv(folder / "Smarket.csv")
    days = market[["Lag1", "Lag2", "Direction"]]
    return {
        "carseats": train_test_split(seats, test_size=0.5, random_state=0),
        "hitters": train_test_split(hitters, test_size=1 / 3, random_state=1),
        "smarket": [days[market["Year"] < 2005], days[market["Year"] >= 2005]],
    }


def of_scikit_learn() -> dict[str, list[pd.DataFrame]]:
    """Of its user guide and its examples."""
    diabetes = load_diabetes(as_frame=True).frame
    iris = named(load_iris(as_frame=True))
    return {
        "iris_40": train_test_split(iris, test_size=0.4, random_state=0),
        "iris_70": train_test_split(iris, stratify=iris["kind"], test_size=0.7, random_state=42),
        "diabetes_0": train_test_split(diabetes, random_state=0),
        "diabetes_13": train_test_split(diabetes, test_size=0.1, random_state=13),
        "diabetes_42": train_test_split(diabetes, random_state=42),
        "diabetes_last": [diabetes[:-20], diabetes[-20:]],
    }


def named(bunch: object) -> pd.DataFrame:
    """A set of scikit-learn with its classes by name, in a column `kind`."""
    frame = bunch.frame.rename(
        columns=lambda name: name.replace(" (cm)", "").replace(" ", "_").replace("/", "_")
    )
    frame["kind"] = np.asarray(bunch.target_names)[frame.pop("target")]
    return frame


if __name__ == "__main__":
    main(Path(sys.argv[1]))
