"""Answers that stand in a table of their own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from tests.first_suites import First, subjects


def test_answers_in_a_table_of_their_own_come_with_a_command_that_puts_both_together(first: First) -> None:
    frame = subjects(40, lambda i: i)
    ids = np.random.default_rng(6).permutation(np.arange(9000, 9000 + len(frame)))
    frame = frame.drop(columns="subject").assign(id=[f"0{i}" for i in ids])
    Path("set").mkdir()
    frame.drop(columns="state").to_csv("set/train_values.csv", index=False)
    frame[["id", "state"]].sample(frac=1, random_state=1).to_csv("set/train_labels.csv", index=False)
    frame.drop(columns="state")[:50].to_csv("set/test_values.csv", index=False)
    for given in (["set"], ["set/train_values.csv", "set/train_labels.csv"]):
        code, said, _ = first(*given)
        assert (
            code == 2 and "train_labels.csv has the answers to the rows of train_values.csv, by 'id'" in said
        )
    command = re.search(r"`python (-c .*)`, and give (\S+)", said)
    assert command is not None
    subprocess.run([sys.executable, *shlex.split(command[1])], check=True)
    made = pd.read_csv(command[2], dtype=str).set_index("id")
    assert made.loc[frame.id, "state"].tolist() == frame.state.tolist()
    assert first(command[2])[2]["data"]["target"] == "state"


def test_what_is_handed_in_at_a_competition_is_no_answer(first: First) -> None:
    frame = subjects(40, lambda i: i).assign(id=np.arange(1200))
    Path("set").mkdir()
    frame[:900].to_csv("set/train.csv", index=False)
    frame[900:].drop(columns="state").to_csv("set/test.csv", index=False)
    frame[900:][["id", "state"]].assign(state="rest").to_csv("set/gender_submission.csv", index=False)
    code, said, _ = first("set")
    assert code == 2 and "put them together" not in said and "or both parts of one" in said
