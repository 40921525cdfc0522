"""The model card of an exported recommender: what it is, how good and fast it was, its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.export.model_card import figures, origin
from harness.export.source import ExportSource
from harness.facts.recommending import PipelineTrainFacts
from harness.report import numbers as n


def recommender_card(source: ExportSource, hashes: Mapping[str, str], packages: Sequence[str]) -> str:
    """README.md of the exported folder, Markdown.

    Args:
        packages: what its `predict.py` imports, two or more.
    """
    from harness.analysis.outputs import table_of
    from harness.analysis.tradeoff import slices_of

    table = table_of(source.run, source.suite, slices_of(source.suite))
    row = next((r for r in table.rows if r.variant == source.variant), None)
    limits = [
        "It was judged on what later customers of the same log chose; on other customers nothing is known.",
        "Offline figures tell bad systems from good ones; which of two good ones earns more, less reliably.",
        *(
            [f"It does not meet the suite's limits: {'; '.join(row.rejected_by)}."]
            if row and row.rejected_by
            else []
        ),
        *table.warnings,
    ]
    parts = [
        f"# {source.variant}\n\n{_what(source)}",
        _use(packages),
        figures(row, source),
        _data(source),
        "\n".join(["## Limits", "", *(f"- {sentence}" for sentence in limits)]),
        origin(source, hashes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(source: ExportSource) -> str:
    spec, suite = source.score.trial.spec, source.suite
    stages = [("Retrieval", spec["retrieval"]), ("ranking", spec.get("ranking") or {"model": "none"})]
    said = []
    for name, stage in stages:
        rest = ", ".join(f"{key}={value}" for key, value in stage.items() if key != "model")
        said.append(f"{name} by `{stage['model']}`{f' ({rest})' if rest else ''}")
    question = f" It was a candidate for: *{suite.question}*" if suite.question else ""
    return f"{', '.join(said)}.{question}"


def _use(packages: Sequence[str]) -> str:
    return "\n".join(
        (
            "## Use",
            "",
            "```sh",
            "pip install -r requirements.txt",
            "python predict.py --check                # answers here as in the harness?",
            "python predict.py --history B07X C3      # what somebody chose, oldest first",
            'python predict.py requests.jsonl         # a line each: {"user": 17}, {"history": ["B07X"]}',
            "```",
            "",
            "Ids are those of the log; what is not known is named in the answer. Vectors of all items are in "
            "`model/item_vectors.npy` where the retriever makes them, in the order of `item_ids` in "
            "`model/tables.npz`, for a vector database of your own.",
            "",
            f"It needs {', '.join(packages[:-1])} and {packages[-1]}.",
        )
    )


def _data(source: ExportSource) -> str:
    data = source.score.trial.spec["data"]
    facts = source.train.facts_as(PipelineTrainFacts).data if source.train else None
    given = f" with {data['args']}" if data.get("args") else ""
    lines = ["## Data", "", f"- log `{data['name']}`{given}, content hash `{data['checksum']}`"]
    if facts is not None:
        events = ", ".join(f"{count:,} {part}" for part, count in facts.sizes.items())
        lines.append(
            f"- {n.counted(facts.users, 'user')}, {n.counted(facts.items, 'item')}; events: {events}"
        )
        split = f"cut by `{facts.protocol['split']}`"
        seen = "left out of" if facts.protocol.get("mask_seen") else "kept in"
        lines.append(f"- {split}; items of a user's past are {seen} the answers")
    lines.append(f"- training seed {source.score.trial.seed}, suite seed {data['seed']}")
    return "\n".join(lines)
