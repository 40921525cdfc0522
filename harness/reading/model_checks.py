"""The candidates of a suite: references that point to something, arguments that it takes."""

from __future__ import annotations

import ast
import re

from harness.kinds import KINDS, kind_of
from harness.models.rules import check as check_rules
from harness.protocols import Task
from harness.reading.components import table
from harness.reading.data_checks import check_args, task_info
from harness.reading.draft import Draft, Path_
from harness.reading.estimator_checks import LIBRARIES, AskedOf, check_estimators, question_of
from harness.reading.file_args import check_files
from harness.reading.objectives import check_objectives
from harness.reading.references import find_function, resolve_model
from harness.reading.signature import Parameter, Signature, read_signature
from harness.reading.together_checks import check_together
from harness.record import DataError
from harness.runtimes.offered import left_out, runtimes_of
from harness.suite.class_keys import class_keys
from harness.suite.encodings import AUTO, NATIVE, takes_categories
from harness.suite.model_ref import MODEL_KINDS, OWN_ESTIMATOR, ModelRef, parse_model
from harness.suite.source import Node
from harness.suite.variants import written_deployment
from harness.tasks.recommendation.retrieval import RETRIEVERS
from harness.tasks.recommendation.retrieval.options import check_candidate, is_own

TFIDF = Parameter(ast.Name("dict"), ast.Constant(None))
"""Of texts, how words are weighed before an estimator sees them: arguments of TfidfVectorizer."""

_FORMS = [kind.form for name, kind in MODEL_KINDS.items() if not kind.extra and name != OWN_ESTIMATOR]
REFERENCES = f"{', '.join(_FORMS[:-1])} or {_FORMS[-1]}"


def check_candidates(draft: Draft) -> None:
    """Each candidate, and what it means together with the task and the runtimes."""
    try:
        task = task_info(draft)
    except DataError:
        task = None  # reported where the data is checked
    questions = list[AskedOf]()
    for name, node in draft.items("candidates").items():
        if node.mapping is None:
            continue
        path: Path_ = ("candidates", name)
        if draft.get(str, "task") == "recommendation":
            _check_pipeline(draft, path)
            continue
        for stage in ("retrieval", "ranking"):
            if draft.given(*path, stage):
                place = draft.key_place(*path, stage)
                draft.wrong((*path, stage), "is for `task: recommendation`: give a model instead", place)
        questions += filter(None, [_check_model(draft, path, task)])
        check_objectives(draft, path, task)
    check_estimators(draft, questions)


def _check_pipeline(draft: Draft, path: Path_) -> None:
    """A recommendation candidate is a pipeline, `{retrieval: {model: …}, ranking: {model: …}}`."""
    if draft.get(str, *path, "model", default="") != "":
        named = draft.get(str, *path, "model", default="")
        text = "a recommendation candidate is {retrieval: {model: …}, ranking: {model: …}}, not a model"
        if named in RETRIEVERS:
            text += f": write `{{retrieval: {{model: {named}}}}}`"
        draft.wrong((*path, "model"), text, draft.key_place(*path, "model"))
        return
    stages = {stage: draft.get(dict, *path, stage) for stage in ("retrieval", "ranking")}
    if is_own((stages["retrieval"] or {}).get("model")) and not _check_own_recommender(draft, path):
        return
    if any(draft.given(*path, stage) and stages[stage] is None for stage in stages):
        return  # of the wrong type, which is said already
    try:
        check_candidate(stages["retrieval"], stages["ranking"])
    except (TypeError, AttributeError):
        example = "{model: two_tower, index: {hnsw: {m: 32}}, candidates: 1000}"
        text = f"something in it is of the wrong type: write for instance {example}"
        draft.wrong((*path, "retrieval"), text, draft.key_place(*path, "retrieval"))
    except ValueError as error:
        here = _spoken_of(draft, path, str(error))
        draft.wrong(here, str(error), draft.key_place(*here))


def _check_own_recommender(draft: Draft, path: Path_) -> bool:
    """A recommender of the user's own is there, and takes its `args`."""
    model = (*path, "retrieval", "model")
    ref = parse_model(str(draft.get(str, *model)))
    try:
        signature = read_signature(find_function(ref.package, ref.name, draft.folder), ref.name)
    except LookupError as error:
        draft.wrong(model, str(error.args[0]), draft.key_place(*model))
        return False
    check_args(draft, (*path, "retrieval", "args"), signature)
    return True


def _spoken_of(draft: Draft, path: Path_, message: str) -> Path_:
    """The stage, and the key in it, that a message about a pipeline names."""
    stage = "ranking" if message.startswith("ranking") and draft.given(*path, "ranking") else "retrieval"
    quoted = re.findall(r"'([^']*)'", message)[:1] + re.findall(r"\b(?:candidates|index)\b", message)
    for key in quoted:
        if key in draft.items(*path, stage):
            return (*path, stage, key)
    return (*path, stage) if draft.given(*path, stage) else path


def _check_model(draft: Draft, path: Path_, task: Task | None) -> AskedOf | None:
    """A candidate that is one model; returns what its library is to be asked, if anything."""
    asked = None
    node = draft.node(*path, "model")
    if node is None or node.value == "":
        place = node.place if node is not None else draft.key_place(*path)
        draft.wrong(path, f"`model` is missing: {REFERENCES}", place)
        return None
    reference = draft.get(str, *path, "model")
    if reference is None:
        return None
    try:
        source = resolve_model(reference, draft.folder)
    except LookupError as error:
        draft.wrong((*path, "model"), str(error.args[0]), node.place)
        return None
    check_together(draft, path, source.ref)
    before = len(draft.mistakes)
    check_files(draft, path, source.ref)
    signature = source.signature
    _check_weights(draft, (*path, "args", "class_weight"), task)
    if source.ref.about.fitted == "sklearn" and _takes_texts(draft, task):
        signature = Signature({**signature.parameters, "tfidf": TFIDF}, signature.open)
    check_args(draft, (*path, "args"), signature)
    _check_classes(draft, path, source.ref)
    if source.ref.about.fitted == "sklearn":
        nested = _check_nested(draft, path, draft.node(*path, "args"))
        nested = nested or bool(_MADE_OF & draft.get(dict, *path, "args", default={}).keys())
        if len(draft.mistakes) == before and source.ref.kind in LIBRARIES:
            others = {"tfidf"} if _takes_texts(draft, task) else set()
            asked = question_of(draft, path, reference, others, nested)
    if len(draft.mistakes) == before:
        _check_fit(draft, path, source.ref, task)
    return asked if len(draft.mistakes) == before else None


def _takes_texts(draft: Draft, task: Task | None) -> bool:
    """Whether the examples are texts, by the data where they can be asked."""
    named = draft.get(str, "task")
    return task.takes == "text" if task is not None else named in KINDS and "text" in KINDS[named].inputs


def _check_weights(draft: Draft, path: Path_, task: Task | None) -> None:
    """Weights by class name classes that there are."""
    weights = draft.get(dict, *path)
    if weights is None or task is None or not task.num_classes:
        return
    if kind_of(task.name).targets == "labels":
        draft.wrong(path, "weighs classes, and every label is a yes or no of its own: write balanced")
        return
    try:
        class_keys(weights, task.class_names)
    except ValueError as error:
        draft.wrong(path, str(error), draft.key_place(*path))


def _check_classes(draft: Draft, path: Path_, ref: ModelRef) -> None:
    """The classes that a finished file is made of are there."""
    if ref.about.path != "always":
        return
    for key in ("class", "classes"):
        node = draft.node(*path, "args", key)
        for item in (node.sequence or (node,)) if node is not None else ():
            named = parse_model(str(item.value))
            try:
                find_function(named.package, named.name, draft.folder)
            except LookupError as error:
                draft.wrong((*path, "args", key), str(error.args[0]), item.place)


_MADE_OF = {"estimator", "estimators", "final_estimator", "regressor", "steps"}
"""Arguments that are further estimators."""


def _check_nested(draft: Draft, path: Path_, node: Node | None) -> bool:
    """References to further estimators, at any depth of an estimator's arguments; whether there are any."""
    if node is None:
        return False
    found = isinstance(node.value, str) and parse_model(node.value).kind in LIBRARIES
    if found:
        try:
            resolve_model(str(node.value), draft.folder)
        except LookupError as error:
            draft.wrong((*path, "args"), str(error.args[0]), node.place)
    inner = [
        _check_nested(draft, path, one) for one in [*(node.mapping or {}).values(), *(node.sequence or ())]
    ]
    return found or any(inner) or (node.mapping is not None and "model" in node.mapping)


def _check_fit(draft: Draft, path: Path_, ref: ModelRef, task: Task | None) -> None:
    """Model and task, model and runtimes, and the model's own rules of input."""
    wanted = draft.get(str, "task")
    place = draft.key_place(*path, "model")
    takes = [f"{'tabular' if i == 'table' else i}_classification" for i in ref.about.inputs]
    if takes and wanted in KINDS and not set(KINDS[wanted].inputs) & set(ref.about.inputs):
        text = f"{ref.kind}: models are for {' and '.join(takes)}, not for {wanted}"
        draft.wrong((*path, "model"), text, place)
        return
    _check_runtimes(draft, path, ref)
    if task is None:
        return
    _check_encoding(draft, path, ref, task)
    if draft.get(str, "data", "transforms", default="") and not ref.about.is_network:
        text = "does not go through data.transforms, which only networks use: leave this candidate out, or it"
        draft.wrong((*path, "model"), text, place)
    try:
        check_rules(ref, task, draft.get(dict, *path, "args", default={}))
    except (ValueError, TypeError) as error:
        draft.wrong(path, str(error), place)


def _check_encoding(draft: Draft, path: Path_, ref: ModelRef, task: Task) -> None:
    """How columns of categories become numbers: of own tables alone, and as a model takes them."""
    if draft.get(str, *path, "encoding", default=AUTO) == AUTO:
        return
    place = draft.key_place(*path, "encoding")
    if not task.columns:
        draft.wrong((*path, "encoding"), "is for own tables (`tabular_csv`): leave it out", place)
    elif draft.get(str, *path, "encoding") == NATIVE and not takes_categories(ref):
        draft.wrong(
            (*path, "encoding"),
            "this model takes numbers alone: write one_hot, target, hashed or ordinal; XGBoost, LightGBM, "
            "CatBoost and HistGradientBoosting take categories themselves",
            place,
        )


def _check_runtimes(draft: Draft, path: Path_, ref: ModelRef) -> None:
    """At least one runtime that can serve the model; asked only where all runtimes exist."""
    runtimes = draft.get(list, "serving", "runtimes", default=["torch", "onnx"])
    known = table("runtimes")
    if not runtimes or not all((d := written_deployment(r)) and d.runtime in known for r in runtimes):
        return
    task = draft.get(str, "task") or ""
    args = draft.get(dict, *path, "args", default={})
    if not runtimes_of(ref, runtimes, task, args):
        cure = "torch" if ref.about.fitted == "endpoint" or left_out(ref, ["onnx"], task, args) else "onnx"
        text = f"runs on none of {', '.join(runtimes)}: add {cure} to serving.runtimes"
        draft.wrong((*path, "model"), text)
