"""What tools write as JSON (COCO, Label Studio, Prodigy, visits of events), and the command for a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.codec import Json, JsonObject
from harness.datasets.commands import for_shell

FEW_KEYS = 3
"""A row that holds rows has no more cells, as visits and their events."""


def objects_in_images(path: Path, place: str, rows: Sequence[JsonObject]) -> str:
    """What to do with objects in images as COCO lists them; empty of other rows."""
    if place != "['annotations']" or not all({"image_id", "category_id"} <= row.keys() for row in rows):
        return ""
    out = str(path.with_name(f"{path.stem}.csv"))
    code = for_shell(
        f"import json, pandas, pathlib; d = json.loads(pathlib.Path({str(path)!r}).read_text('utf-8-sig')); "
        "c = {k['id']: k['name'] for k in d['categories']}; f = {i['id']: set() for i in d['images']}; "
        "[f[a['image_id']].add(c[a['category_id']]) for a in d['annotations']]; "
        "pandas.DataFrame([(i['file_name'], '|'.join(sorted(f[i['id']]))) for i in d['images']], "
        f"columns=['image', 'label']).to_csv({out!r}, index=False)"
    )
    return (
        "it lists objects in images, and where these are is no question that is asked here; which kinds are "
        'in an image is (data set `image_csv`, `label_separator: "|"`, `task: multilabel_classification`): '
        f'write the table, `python -c "{code}"`'
    )


def labelled(rows: Sequence[JsonObject], whole: str) -> tuple[str, str] | None:
    """The Python for the rows of a tool of labelling, or of visits, and what is said of it; None for others.

    Args:
        whole: the Python for all rows.
    """
    if not rows:
        return None
    if all({"data", "annotations"} <= row.keys() for row in rows) and any(map(_choices, rows)):
        value = "c for a in t['annotations'][:1] for r in a['result'] for c in r['value'].get('choices', [])"
        said = "; of several annotations of a task the first is taken, tasks without one are left out"
        if any(len(_choices(row)) > 1 for row in rows):
            said += '; several choices take `label_separator: "|"` and `task: multilabel_classification`'
        return f"[dict(t['data'], label='|'.join({value})) for t in {whole} if t['annotations']]", said
    if all({"_task_hash", "answer"} <= row.keys() for row in rows):
        plain = "{k: v for k, v in r.items() if k[0] != '_' and k not in ('options', 'meta')}"
        if all("accept" in row for row in rows):
            made = (
                f"[dict({plain}, accept='|'.join(r['accept'])) for r in {whole} if r['answer'] == 'accept']"
            )
            return made, "; what was rejected or ignored is left out, `accept` is the label"
        return f"[{plain} for r in {whole} if r['answer'] != 'ignore']", "; what was ignored is left out"
    lists = [key for key, cell in rows[0].items() if isinstance(cell, list) and cell]
    if len(lists) == 1 and len(rows[0]) <= FEW_KEYS and all(_holds_rows(row, lists[0]) for row in rows):
        inner = ", ".join(f"{key!r}: t[{key!r}]" for key in rows[0] if key != lists[0])
        made = f"[dict(e, **{{{inner}}}) for t in {whole} for e in t[{lists[0]!r}]]"
        return made, f"; it has a row for each of {lists[0]!r}"
    return None


def _holds_rows(row: JsonObject, key: str) -> bool:
    """Whether a row holds rows under a key, and plain cells beside it."""
    inner = row.get(key)
    plain = not any(isinstance(cell, (list, Mapping)) for name, cell in row.items() if name != key)
    return (
        plain
        and isinstance(inner, list)
        and all(isinstance(e, Mapping) and not e.keys() & row.keys() for e in inner)
    )


def _choices(task: JsonObject) -> list[Json]:
    """The choices of the first annotation of a task."""
    annotations = task["annotations"]
    first = annotations[0] if isinstance(annotations, list) and annotations else {}
    results = first.get("result", []) if isinstance(first, Mapping) else []
    found: list[Json] = []
    for result in results if isinstance(results, list) else []:
        value = result.get("value", {}) if isinstance(result, Mapping) else {}
        choices = value.get("choices", []) if isinstance(value, Mapping) else []
        found += choices if isinstance(choices, list) else []
    return found
