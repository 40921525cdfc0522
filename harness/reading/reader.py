"""A suite file → a `Suite`, or all that is wrong with it, each mistake with its line and cure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.names import hint
from harness.reading.checks import check
from harness.reading.components import price_cores
from harness.reading.data_checks import find_path, load_signature, resolve_paths
from harness.reading.draft import Draft, make_draft
from harness.reading.file_args import with_files
from harness.reading.layers import apply_overrides, read_layers
from harness.reading.messages import GONE, explain
from harness.reading.references import resolve_model
from harness.reading.sets import KEY, one_for_each_set
from harness.reading.trace import with_trace
from harness.record import RecordError, SuiteError
from harness.suite.model_ref import OWN, OWN_ESTIMATOR, ModelRef, parse_model
from harness.suite.schema import Suite
from harness.suite.source import Mistake, Node, Place, new_mapping
from harness.suite.variants import local_cores


def read_suite(path: str | Path, overrides: Sequence[str] = (), dataset: str | None = None) -> Suite:
    """Read, merge and validate a suite completely; nothing is executed, imported or written.

    Args:
        overrides: `a.b=c` texts, applied last; values are YAML.
        dataset: of a suite over several data sets (`datasets`), the name of one.
    Raises:
        SuiteError: with every mistake, `file:line: what is wrong, and the cure`, sorted by line; or there are
            several data sets and none is named.
    """
    found = read_suites(path, overrides, dataset)
    if len(found) == 1:
        return next(iter(found.values()))
    names = ", ".join(found)
    raise SuiteError(f"{path}: it asks about several data sets ({names}): name one with --dataset")


def read_suites(
    path: str | Path, overrides: Sequence[str] = (), dataset: str | None = None
) -> dict[str, Suite]:
    """Read a suite over several data sets as one suite for each, `NAME-SET`; a plain suite stands alone under
    the name of its data set. See `read_suite`.
    """
    file, mistakes = Path(path), list[Mistake]()
    tree = read_layers(file, str(path), mistakes)
    if tree is None:
        raise _error(mistakes)
    tree = apply_overrides(tree, overrides, mistakes)
    trees = one_for_each_set(tree, mistakes)
    if mistakes and not trees:
        raise _error(mistakes)
    if dataset is not None:
        if dataset not in trees:
            place = Place(f"--dataset {dataset}", order=1001)
            mistakes.append(Mistake(place, hint(dataset, trees)))
        trees = {name: own for name, own in trees.items() if name == dataset or dataset not in trees}
    suites = {name: _validated(own, file, mistakes) for name, own in trees.items()}
    if mistakes:
        raise _error(mistakes)
    return {name: _with_cores(suite) for name, suite in suites.items() if suite is not None}


def set_names(path: str | Path, overrides: Sequence[str] = ()) -> tuple[str, ...]:
    """The data sets of a suite over several; empty for any other, also for what cannot be read."""
    tree = read_layers(Path(path), str(path), [])
    entries = (apply_overrides(tree, overrides, []).mapping if tree is not None else None) or {}
    if tree is None or KEY not in entries:
        return ()
    return tuple(one_for_each_set(new_mapping(entries, tree.place, tree.keys), []))


def _validated(tree: Node, file: Path, mistakes: list[Mistake]) -> Suite | None:
    draft = _with_paths(make_draft(tree, _folder(tree, file), mistakes))
    misread = list(mistakes)
    suite = None
    try:
        plain = {**draft.tree.fields, "folder": str(draft.folder)}
        suite = Suite.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if draft.items("machines") and detail["loc"][:1] == ("machine",):
                continue  # the first of several, said there
            before = len(mistakes)
            explain(draft, detail)
            # What could not be read has its message already; its type need not be wrong as well.
            mistakes[before:] = [m for m in mistakes[before:] if not any(_of_one_key(m, n) for n in misread)]
    check(draft)
    return suite


def _of_one_key(one: Mistake, other: Mistake) -> bool:
    """Whether two mistakes are of one key, or of one and what stands under it: `{a: …, b: …}` has several
    in a line. What names no key is of its whole line."""
    if one.place != other.place:
        return False
    keys = sorted((m.text.partition(": ")[0] for m in (one, other)), key=len)
    return any(" " in key for key in keys) or f"{keys[1]}.".startswith(f"{keys[0]}.")


def _with_cores(suite: Suite) -> Suite:
    """The suite with the cores that workers share: those of the priced machine, as far as this one has them
    where it is this one that serves."""
    if suite.serving.workers is None or suite.machine.cores is not None:
        return suite
    here, priced = local_cores(), price_cores().get(suite.machine.price or "", 0)
    cores = priced if suite.machine.machine_class and priced else min(here, priced or here)
    return suite.model_copy(update={"machine": suite.machine.model_copy(update={"cores": cores})})


def _folder(tree: Node, file: Path) -> Path:
    """Where the suite's own files are: of a run folder's `suite.yaml`, where the original stood."""
    node = (tree.mapping or {}).get("folder")
    original = Path(node.value) if node is not None and isinstance(node.value, str) and node.value else None
    try:
        return original if original is not None and original.is_dir() else file.absolute().parent
    except (OSError, ValueError):  # too long, a null byte
        return file.absolute().parent


def _with_paths(draft: Draft) -> Draft:
    """The draft with files named absolutely, as a worker in another folder needs them."""
    entries = dict(draft.tree.mapping or {})
    if "decision" in entries:
        entries["decision"] = with_trace(draft, entries["decision"])
    if "data" in entries:
        signature = load_signature(draft.get(str, "data", "name"))
        entries["data"] = resolve_paths(draft, entries["data"], signature)
    candidates = entries.get("candidates")
    if candidates is not None and candidates.mapping is not None:
        absolute = {
            name: _said_estimator(with_files(_absolute(node, draft.folder), draft.folder), draft.folder)
            for name, node in candidates.mapping.items()
        }
        entries["candidates"] = new_mapping(absolute, candidates.place, candidates.keys)
    draft.tree = new_mapping(entries, draft.tree.place, draft.tree.keys)
    return draft


def _absolute(candidate: Node, folder: Path) -> Node:
    model = (candidate.mapping or {}).get("model")
    if model is None or not isinstance(model.value, str):
        return candidate
    ref = parse_model(model.value)
    if not ref.is_path or not ref.name:
        return candidate
    found = find_path(ref.name, folder)
    if not found.exists():
        return candidate
    model = Node(str(ref.named(str(found))), model.place, raw=model.raw or model.value)
    return new_mapping({**(candidate.mapping or {}), "model": model}, candidate.place, candidate.keys)


def _said_estimator(candidate: Node, folder: Path) -> Node:
    """A user's own builder of an estimator, named as that, so that all who read the suite know it."""
    model = (candidate.mapping or {}).get("model")
    if model is None or not isinstance(model.value, str):
        return candidate
    ref = parse_model(model.value)
    try:
        if ref.kind != OWN or not resolve_model(model.value, folder).gives_estimator:
            return candidate
    except LookupError:
        return candidate  # said where candidates are checked
    told = ModelRef(OWN_ESTIMATOR, str(ref), ref.package)
    model = Node(str(told), model.place, raw=model.raw or model.value)
    return new_mapping({**(candidate.mapping or {}), "model": model}, candidate.place, candidate.keys)


def _error(mistakes: Iterable[Mistake]) -> SuiteError:
    """All mistakes, each once, in the order of the lines."""
    ordered = sorted(mistakes, key=lambda mistake: mistake.place.rank)
    return SuiteError(*dict.fromkeys(str(mistake) for mistake in ordered))


def suite_to_text(suite: Suite) -> str:
    """The resolved suite as YAML, as it stands in a run folder."""
    import yaml

    data = suite.model_dump(mode="json", by_alias=True)
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))


def suite_from_text(text: str) -> Suite:
    """The inverse of `suite_to_text`; checks types only, so that a report needs no models or data.

    Raises:
        RecordError: it is no resolved suite of this version.
    """
    import yaml

    try:
        # In C where there is such a reader: 100 candidates take .1 s instead of 1. It makes plain data alone.
        reader = (yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader)(text)
        return Suite.model_validate_json(json.dumps(_of_today(reader.get_single_data())))
    except (yaml.YAMLError, ValidationError, TypeError) as error:
        raise RecordError(f"suite.yaml is damaged or of another version: {error}") from error


def _of_today(data: object) -> object:
    """A stored suite without the keys that earlier versions wrote.

    Raises:
        RecordError: it decided by a rule that there is no longer.
    """
    if not isinstance(data, dict):
        return data
    decision = data.get("decision")
    if not isinstance(decision, dict) or "fallback" not in decision:
        return data
    if decision["fallback"] is not None:
        raise RecordError(f"suite.yaml: decision.fallback {GONE['fallback']}")
    # 0.0 was written where nothing was said.
    kept = {k: v for k, v in decision.items() if k != "fallback" and (k, v) != ("tolerance", 0.0)}
    return {**data, "decision": kept}
