"""`datasets`: one question about several data sets is a suite for each, alike but for `data` and name."""

from __future__ import annotations

from harness.suite.source import Mistake, Node, new_mapping

KEY = "datasets"


def one_for_each_set(tree: Node, mistakes: list[Mistake]) -> dict[str, Node]:
    """The suites of a tree by the names of their data sets; a tree without `datasets` is one.

    The suite of a set is called `NAME-SET`, and all in it is as if it stood alone: its trials are those of a
    suite that says `data:`.
    """
    entries = dict(tree.mapping or {})
    if KEY not in entries:
        return {_name_of(entries.get("data")): tree}
    node = entries.pop(KEY)
    place = tree.keys.get(KEY, node.place)
    if "data" in entries:
        mistakes.append(Mistake(place, f"{KEY}: stands beside `data`: keep one of them"))
    if node.mapping is None or len(node.mapping) < 2:
        example = "{shoes: {name: tabular_csv, path: shoes.csv, target: sold}, bags: {…}}"
        text = f"{KEY}: names two data sets or more, each as under `data`: {example}"
        mistakes.append(Mistake(place, text))
        return {}
    trees = {}
    for key, data in node.mapping.items():
        if data.value is None:  # what an extended suite has and this one drops
            continue
        own = {**entries, "data": data}
        if (name := entries.get("name")) is not None and isinstance(name.value, str):
            own["name"] = Node(f"{name.value}-{key}", node.keys.get(key, name.place))
        trees[key] = new_mapping(own, tree.place, {**tree.keys, "data": node.keys.get(key, place)})
    return trees


def _name_of(data: Node | None) -> str:
    if data is not None and data.mapping is not None and "name" in data.mapping:
        data = data.mapping["name"]
    return data.value if data is not None and isinstance(data.value, str) else "data"
