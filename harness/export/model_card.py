"""The model card of an exported variant: what it is, how good and fast it was, on what, and its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.criteria import decides
from harness.export.source import ExportSource
from harness.exported.tables import Step, TableEncoding, width
from harness.facts import DataFacts, ScoreFacts, TrainFacts
from harness.metrics import metrics_of
from harness.record import Record
from harness.report import numbers as n
from harness.results import Row


def model_card(
    source: ExportSource, hashes: Mapping[str, str], packages: Sequence[str], note: str = ""
) -> str:
    """README.md of the exported folder, Markdown.

    Args:
        packages: what its `predict.py` imports, two or more.
    """
    from harness.analysis.outputs import table_of
    from harness.analysis.tradeoff import slices_of

    table = table_of(source.run, source.suite, slices_of(source.suite))
    row = next((r for r in table.rows if r.variant == source.variant), None)
    parts = [
        f"# {source.variant}\n\n{_what(source)}",
        _use(source, packages),
        figures(row, source),
        _data(source),
        _limits(source, row, table.warnings, note),
        origin(source, hashes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(source: ExportSource) -> str:
    spec, suite = source.score.trial.spec, source.suite
    question = f" It was a candidate for: *{suite.question}*" if suite.question else ""
    args = ", ".join(f"{k}={v}" for k, v in spec["args"].items())
    return (
        f"Model `{spec['model']}`{f' ({args})' if args else ''} for {suite.task.replace('_', ' ')}, "
        f"served by `{source.runtime}`.{question}"
    )


def _use(source: ExportSource, packages: Sequence[str]) -> str:
    needed = ["", f"It needs {' and '.join([', '.join(packages[:-1]), packages[-1]])}."]
    if "tokenizers" in packages:
        needed[-1] += (
            " `tokenizers` runs the pretrained model's own tokenizer, which is defined in that library's "
            "format; nothing else of transformers is needed."
        )
    return "\n".join(
        (
            "## Use",
            "",
            "```sh",
            "pip install -r requirements.txt",
            "python predict.py --check        # answers here as measured?",
            "python predict.py inputs.npy     # or .csv, .jsonl, .txt; see predict.py",
            "```",
            "",
            "Pre-processing (scaling, the tokens of a text, what becomes of a table's columns) is inside: "
            "give raw examples as `signature.json` says.",
            *_pictures(source),
            *needed,
            *_columns(source.table),
        )
    )


def _pictures(source: ExportSource) -> list[str]:
    """How an image file becomes what the model takes."""
    if not source.pictures:
        return []
    colour = "#" + "".join(f"{part:02x}" for part in source.pictures["background"])
    return [
        "",
        "Image files are given as they are, `python predict.py a.jpg b.png`, from Python "
        f'`load()(read("a.jpg"))`: they are turned upright, laid on {colour} where they are transparent, '
        "cropped to the middle and resized (bilinear) by `pictures.py`, the code of training. Arrays must "
        "have been made so: another crop or resize answers otherwise.",
    ]


def _columns(table: TableEncoding | None) -> list[str]:
    """The columns of a row, and what becomes of them inside."""
    if table is None:
        return []
    rows = [
        f"| `{_plain(column['name'])}` | {column['kind']} | {_becomes(step)} |"
        for column, step in zip(table.columns, table.steps, strict=True)
    ]
    return [
        "",
        f"It takes rows of {n.counted(len(table.columns), 'column')}, by name; null (or an empty cell) where "
        "nothing is known. Inside, by what the training rows taught:",
        "",
        "| column | holds | becomes |",
        "|---|---|---|",
        *rows,
    ]


def _becomes(step: Step) -> str:
    made, kind = width(step), str(step["as"])
    fill = step.get("if_missing")
    if kind == "number":
        return "itself" + ("; missing stays missing" if fill is None else f"; {fill:g} where it is missing")
    if kind == "date":
        return ", ".join(step["parts"])
    said = {
        "one_hot": f"{n.counted(made, 'column')} of 0 and 1, one a value",
        "codes": "itself, a category",
        "ordinal": "the value's number in alphabetic order",
        "target": f"the mean of the target by value ({n.counted(made, 'number')})",
        "hashed": f"{made} columns by a hash of the value",
        "words": f"the weights of {n.counted(made, 'word')}",
    }
    return said[kind]


def _plain(text: str) -> str:
    return str(text).replace("|", "\\|")


def figures(row: Row | None, source: ExportSource) -> str:
    """Every metric of the variant with its interval, and where it was measured; empty without a row."""
    if row is None:
        return ""
    known = metrics_of(source.suite)
    lines = ["## Measured", "", "| metric | value | 95 % interval | |", "|---|---|---|---|"]
    for name, cell in row.estimates.items():
        shown = n.shown(name, cell)
        unit = n.shown_unit(name, known)
        value = n.with_unit(name, shown.value, known, unit) if cell.value is not None else shown.value
        note = cell.note if cell.value is not None else ""
        lines.append(f"| {n.label(name)} | {value} | {shown.interval} | {note} |")
    machine = _machine(source)
    seeds = len({r.trial.seed for r in source.run.records() if r.trial.kind == "score" and _same(r, source)})
    lines += [
        "",
        f"Quality over {n.counted(seeds, 'training seed')} on test data, by which no settings were chosen; "
        f"which variant to ship may have been.{_of_this_model(row, source) if seeds > 1 else ''}",
    ]
    lines += [f"Speed on {machine}, {n.counted(source.suite.serving.threads, 'thread')}." if machine else ""]
    return "\n".join(lines).rstrip()


def _of_this_model(row: Row, source: ExportSource) -> str:
    """What the model in the folder, one of several seeds, has by itself of the quality that decides."""
    known = metrics_of(source.suite)
    quality = [name for name in row.estimates if name in known and known[name].about == "quality"]
    deciding = [name for name in quality if decides(source.suite, name)] or quality[:1]
    own = [(name, source.score.value(name)) for name in deciding]
    said = [f"{n.label(name)} {n.with_unit(name, n.plain(x), known)}" for name, x in own if x is not None]
    return (
        f" This model is that of seed {source.score.trial.seed}: {', '.join(said)} by itself." if said else ""
    )


def _same(record: Record, source: ExportSource) -> bool:
    trial, own = record.trial, source.score.trial
    return trial.variant == own.variant and trial.train_size == own.train_size and record.status == "finished"


def _machine(source: ExportSource) -> str:
    for record in source.run.records():
        machine = record.environment.get("machine")
        if record.trial.kind == "serve" and record.trial.variant == source.score.trial.variant and machine:
            gpu = f", {machine['gpu']}" if machine.get("gpu") else ""
            cpu, cores = machine.get("cpu", "an unknown processor"), machine.get("cores")
            return f"{cpu} with {cores} cores{gpu} (class {machine.get('class')})"
    return ""


def _trained(source: ExportSource) -> TrainFacts:
    """What training says; nothing where there was none."""
    return source.train.facts_as(TrainFacts) if source.train else TrainFacts()


def _data(source: ExportSource) -> str:
    data = source.score.trial.spec["data"]
    facts = _trained(source).data or DataFacts()
    lines = [
        "## Data",
        "",
        f"- data set `{data['name']}`"
        + (f" with {data['args']}" if data.get("args") else "")
        + f", content hash `{data['checksum']}`",
        f"- rows: {', '.join(f'{count:,} {part}' for part, count in facts.sizes.items())}"
        if facts.sizes
        else "",
        f"- training seed {source.score.trial.seed}, suite seed {data['seed']}",
    ]
    counts = (facts.class_counts or {}).get("train")
    if counts:
        lines.append(
            f"- training rows by class: {', '.join(f'{k} {v:,}' for k, v in list(counts.items())[:20])}"
        )
    return "\n".join(line for line in lines if line or line == "")


def _limits(source: ExportSource, row: Row | None, warnings: Iterable[str], note: str) -> str:
    facts = _trained(source).data or DataFacts()
    said = ["It was judged on test data like its training data; on other data nothing is known."]
    if row is not None and (error := row.estimates.get("ece")) is not None and error.value is not None:
        said.append("Probabilities are as calibrated as the calibration error above says, and no more.")
    if missing := facts.classes_missing_in_train:
        said.append(f"Classes without a training example, never answered: {', '.join(missing)}.")
    if row is not None and row.rejected_by:
        said.append(f"It does not meet the suite's limits: {'; '.join(row.rejected_by)}.")
    parity = source.score.facts_as(ScoreFacts).parity
    if parity and parity.agreement is not None:
        worst = parity.max_abs_difference
        asked = f"{parity.examples:,} test examples" if parity.examples else "test examples"
        apart = f" (largest difference {worst:.2g})" if worst is not None else ""
        same = f"{100 * parity.agreement:.2f} % of {asked}{apart}"
        said.append(f"It gives the same answer as the trained model for {same}.")
    said += [*warnings, *([note] if note else [])]
    return "\n".join(["## Limits", "", *(f"- {sentence}" for sentence in said)])


def origin(source: ExportSource, hashes: Mapping[str, str]) -> str:
    """Run, trials, commit, versions, and the hash of every file."""
    environment, train = source.score.environment, source.train
    versions, commit = environment.get("versions", {}), environment.get("commit") or {}
    named = [
        f"{k} {versions[k]}" for k in ("python", "torch", "onnxruntime", "scikit-learn") if k in versions
    ]
    dirty = " with uncommitted changes" if commit.get("dirty") else ""
    facts = [
        f"- run `{source.run.suite_name}/{source.run.id}`",
        f"- trained by `{train.trial.id}`, scored by `{source.score.trial.id}`" if train else "",
        f"- harness at commit `{commit['id'][:12]}`{dirty}" if commit.get("id") else "",
        f"- versions: {', '.join(named)}" if named else "",
    ]
    files = [f"| {name} | `{digest}` |" for name, digest in hashes.items()]
    head = ["## Where it comes from", "", *filter(None, facts)]
    return "\n".join([*head, "", "| file | sha256 |", "|---|---|", *files])
