"""A test file without the answers, as competitions have them: its rows cannot be tested on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from harness.codec import JsonObject
from harness.init.find import Found, part_of
from harness.init.tables import ANSWERS, Roles, read, roles


@dataclass(frozen=True)
class FoundAnswer:
    """What was found, and which column is what.

    Args:
        said: of a test file that lacks the column to predict, in lines.
    """

    found: Found
    roles: Roles
    said: tuple[str, ...] = ()


def asked(found: Found, frame: pd.DataFrame, given: JsonObject, named: str | None) -> FoundAnswer:
    """Which column is what; a test file that lacks the one to predict is left aside, and so are the other
    columns that it lacks: they are not known when one predicts.

    Args:
        frame: the rows to learn from. named: the column to predict, as the user said it.
    Raises:
        DataError: there is no column to predict.
    """
    assert found.path is not None
    if found.test_path is None:
        return FoundAnswer(found, roles(frame, found.path, named))
    test = {_plain(name) for name in read(found.test_path, given).columns}
    absent = [str(name) for name in frame.columns if _plain(name) not in test]
    both = [str(name) for name in frame.columns if _plain(name) in test]
    if test - set(map(_plain, both)):  # one that is called otherwise may be what seems to be absent
        absent = []
    by_name = {_plain(name): name for name in absent}
    if named is None and absent and not {_plain(name) for name in both} & set(ANSWERS):
        target = next((by_name[word] for word in ANSWERS if word in by_name), absent[-1])
        what = replace(roles(frame, found.path, target), why=f"which {found.test_path.name} has not")
    else:
        what = roles(frame, found.path, named)
    if what.target not in absent:
        is_other = part_of(found.test_path) == "validation"
        said = [f"{found.test_path.name} is what is tested on"] if is_other else []
        return FoundAnswer(found, what, tuple(said))
    unknown = tuple(name for name in absent if name != what.target)
    said = [
        f"{found.test_path.name} has no {what.target!r}, so that nothing can be tested on it: left aside; "
        f"a part of {found.path.name} is tested on"
    ]
    if unknown:
        these = ", ".join(map(repr, unknown))
        said.append(f"{found.test_path.name} has no {these} either, not known when one predicts: left out")
    return FoundAnswer(replace(found, test_path=None), replace(what, unknown=unknown), tuple(said))


def _plain(name: object) -> str:
    """A column's name without case and blanks around it: a near name is the user's to mend."""
    return str(name).strip().casefold()
