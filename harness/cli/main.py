"""The command line: what is typed, what is printed, and the exit code.

Everything a command needs is imported inside it, so that `--help` answers at once and `plan` needs
neither torch nor ray. Text for people goes to stderr, results and JSON to stdout.

Exit codes: 0 all well; 1 trials failed or were not run (the budget was spent), `compare` found a regression,
`data verify`, `doctor --self-check` or `watch` found something failed, or the harness itself broke; 2 wrong
input, or data or storage that cannot be read or written; 130 interrupted.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from harness.cli import data as data_cli
from harness.cli import habits
from harness.cli import init as init_cli
from harness.cli import prices as prices_cli
from harness.cli.errors import explain
from harness.cli.options import (
    AsJson,
    Group,
    OfSet,
    Only,
    Out,
    RunName,
    Sets,
    Smoke,
    SuitePath,
    Version,
    end_quietly,
    examples,
    flag,
    name_arguments_plainly,
    option,
    required,
    with_one_command,
    without_plugins,
)
from harness.cli.typed import EVERYWHERE
from harness.dropped import coming_again
from harness.mistakes import noting, refuse
from harness.names import hint
from harness.record import SuiteError
from harness.suite.trackers import TRACKERS

ALSO = f"Also log to {', '.join(TRACKERS)}, or several of them."

app = typer.Typer(
    cls=Group,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Train, score, serve and price candidate architectures, and say which one to ship.

\b
    python -m harness init photos/                    your data: says what it sees, writes a suite
    python -m harness plan suites/quickstart.yaml     what would run, and for how long
    python -m harness run  suites/quickstart.yaml     runs it, and writes a report
    python -m harness COMMAND --help                  options and examples of a command
    python -m harness help TOPIC                      limits, traffic, runtimes, splits, …""",
)


@app.callback()
def options(
    debug: Annotated[bool, flag("--debug", "Show tracebacks; may stand anywhere on the line.")] = False,
    quiet: Annotated[bool, flag("--quiet", "Only failures and the last lines.")] = False,
    verbose: Annotated[bool, flag("--verbose", "A line per trial instead of one a minute.")] = False,
    version: Version = False,
) -> None:
    """Options before the command; `main` has taken them out already."""


app.command("init", epilog=examples(*init_cli.EXAMPLES))(init_cli.init)


@app.command(
    epilog=examples(
        "run suites/quickstart.yaml",
        "run suites/cnn_vs_vit.yaml --set training.epochs=1 --only 'vit*'",
        "run my.yaml --smoke                      # does everything work at all?",
        "run my.yaml --budget 10m --track mlflow",
        "run my.yaml --exhaustive                 # all that is planned, decided or not",
        "run my.yaml --until-decided --budget 10m",
        "run my.yaml --again                      # an hour later: how much do speeds differ?",
        "run my.yaml --certify resnet/onnx",
        "run my.yaml --address auto --out s3://bucket/results",
    )
)
def run(
    suite: SuitePath,
    overrides: Sets = None,
    only: Only = None,
    dataset: OfSet = None,
    out: Out = "results",
    address: Annotated[str | None, option("--address", "ADDR", "A Ray cluster: auto or HOST:PORT.")] = None,
    submit: Annotated[str | None, option("--submit", "URL", "Send it to a cluster as a Ray job.")] = None,
    budget: Annotated[str | None, option("--budget", "10m", "Start no trial after this long.")] = None,
    smoke: Smoke = False,
    track: Annotated[str | None, option("--track", "NAMES", ALSO)] = None,
    until_decided: Annotated[
        bool | None,
        flag(
            "--until-decided/--exhaustive",
            "Measure only until it is decided (the default of suites with a budget), or all that is planned.",
        ),
    ] = None,
    certify: Annotated[
        str | None, option("--certify", "VARIANT", "Also measure with MLPerf LoadGen: a variant, or all.")
    ] = None,
    refresh: Annotated[
        bool, flag("--refresh", "Measure again what ran on other versions of torch, onnxruntime …")
    ] = False,
    again: Annotated[
        bool, flag("--again", "Serve everything in one more session; sessions are the unit of speed.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Run what is missing of a suite, decide, and write a report.

    Finished trials are kept: running again, even after Ctrl-C or a crash, repeats none of them.
    """
    from harness.planning.asked import checked
    from harness.planning.request import RunRequest

    asked = RunRequest(
        suite, tuple(overrides or ()), tuple(only or ()), out, address, submit, None, smoke, (),
        until_decided, certify, refresh, again, as_json, dataset=dataset,
    )  # fmt: skip
    trackers = [name.strip() for name in (track or "").split(",") if name.strip()]
    asked = checked(asked, budget, trackers, "--")
    from harness.running.sets import run_sets

    return run_sets(asked)


@app.command(
    epilog=examples(
        "plan suites/cnn_vs_vit.yaml",
        "plan suites/cnn_vs_vit.yaml --set data.train_sizes=[1000] --json",
    )
)
def plan(
    suite: SuitePath,
    overrides: Sets = None,
    only: Only = None,
    dataset: OfSet = None,
    out: Out = "results",
    smoke: Smoke = False,
    as_json: AsJson = False,
) -> int:
    """Show what `run` would do, how long it takes and what it costs.

    Trials by kind, those that are finished already, expected time and money. Runs nothing.
    """
    without_plugins()
    from harness.cli.text import plan_text
    from harness.planning.plan import plan_run
    from harness.reading import read_suites
    from harness.running.smoke import smoke as shrunk

    found = read_suites(suite, overrides or (), dataset).values()
    plans = [plan_run(shrunk(read) if smoke else read, only, out)[0] for read in found]
    if as_json:
        told = [planned.to_json() for planned in plans]
        print(json.dumps(told[0] if len(told) == 1 else told, indent=2))
    else:
        print("\n\n".join(plan_text(planned, len(found) > 1 or dataset is not None) for planned in plans))
    return 0


@app.command(epilog=examples("report latest", "report results/quickstart/latest --pdf"))
def report(
    run: RunName,
    out: Out = "results",
    pdf: Annotated[bool, flag("--pdf", "Also print it to report.pdf, with a browser.")] = False,
) -> int:
    """Render a run's report again, from its records alone."""
    from harness.analysis.agreement import agreements
    from harness.report.render import render
    from harness.report.sections.agreement import lines
    from harness.store.runs import find_measured

    found = find_measured(run, out)
    if pdf and not found.is_local:
        raise SuiteError(f"--pdf prints runs on this machine, {found.url} is elsewhere: copy it here first")
    evidence = render(found)
    print(f"{found.url}/report.html\n{found.url}/report.md")
    if pdf:
        from pathlib import Path

        from harness.report.pdf import print_pdf

        page = Path(found.url) / "report.html"
        print(print_pdf(page, page.with_suffix(".pdf")))
    agreed = agreements(evidence.suite, evidence.tradeoff)
    for line in lines(agreed):
        print(line, file=sys.stderr)
    return 1 if any(one.verdict == "differs" for one in agreed) else 0


@app.command(epilog=examples("watch latest", "watch cnn_vs_vit --once"))
def watch(
    run: RunName,
    out: Out = "results",
    once: Annotated[bool, flag("--once", "Print the state once, for scripts.")] = False,
) -> int:
    """Follow a run from another terminal, from its files alone."""
    from harness.running.watch import watch as look_on
    from harness.store.runs import find_run

    return look_on(find_run(run, out), once=once)


@app.command(
    epilog=examples(
        "recommend latest --where 'latency_p99_ms<=5'",
        "recommend quickstart --where 'accuracy>=0.9 with 0.95' --minimize cost_per_million_usd",
        "recommend latest --set decision.traffic.qps=400 --set machine.usd_per_hour=0.12",
    )
)
def recommend(
    run: RunName,
    where: Annotated[list[str] | None, option("--where", "LIMIT", "Another limit; repeatable.")] = None,
    maximize: Annotated[str | None, option("--maximize", "M", "The metric to maximise, or value.")] = None,
    minimize: Annotated[str | None, option("--minimize", "M", "The metric to minimise.")] = None,
    settings: Annotated[
        list[str] | None, option("--set", "a.b=c", "Other terms, decision.traffic.qps=400; repeatable.")
    ] = None,
    out: Out = "results",
    as_json: AsJson = False,
) -> int:
    """Decide again under other limits, from the records alone."""
    without_plugins()
    # Before numpy: waking its threads takes 0.1 s of CPU, and deciding needs one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from harness.analysis.answers import AskedAgain
    from harness.cli.answer import answer, check_asked
    from harness.store.runs import find_measured

    objective = f"maximize {maximize}" if maximize else f"minimize {minimize}" if minimize else None
    asked = AskedAgain(tuple(where or ()), objective, tuple(settings or ()), as_json)
    if maximize and minimize:
        mistakes: list[str] = []
        mistakes.append("--maximize and --minimize contradict each other: keep one of them")
        with noting(mistakes):
            check_asked(find_measured(run, out), asked, f"minimize {minimize}")
        refuse(mistakes)
    print(answer(find_measured(run, out), asked))
    return 0


@app.command(
    epilog=examples(
        "compare quickstart/20250601-120000-ab12cd34 quickstart/latest",
        "compare cnn_vs_vit/RUN_ID cnn_vs_vit/latest --margin 0.01      # in CI: exit code 1",
        "compare cnn_vs_vit --plot history.png                          # all runs of a suite",
        "compare RUN_A RUN_B --format github > comment.md               # for a pull request",
    )
)
def compare(
    runs: Annotated[
        list[str], required("RUN…", "The baseline, then the runs to compare; or a suite's name.")
    ],
    margin: Annotated[float, option("--margin", "SHARE", "How much worse is still acceptable.")] = 0.0,
    out: Out = "results",
    form: Annotated[str, option("--format", "text|github", "`github`: a Markdown comment.")] = "text",
    plot: Annotated[str | None, option("--plot", "FILE.png", "Draw the figures over the runs.")] = None,
    as_json: AsJson = False,
) -> int:
    """Compare runs with the first; exit code 1 on a regression.

    `--format github` also says where the choice changes; one that changes within a tie is no failure.
    """
    from harness.cli.history import compare_all

    return compare_all(runs, margin, out, form, plot, as_json)


@app.command("list", epilog=examples("list models", "list runs --out results", "list metrics --json"))
def list_(
    what: Annotated[str, required("models|datasets|metrics|runtimes|suites|runs", "What to list.")],
    out: Out = "results",
    as_json: AsJson = False,
) -> int:
    """List what is available, one per line."""
    from harness.cli.lists import LISTS, list_text

    if what not in LISTS:
        raise SuiteError(f"list {what}: there is no such list: {hint(what, LISTS)}")
    rows = LISTS[what](out)
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print(list_text(what, rows))
    else:
        print(f"there are no {what} here", file=sys.stderr)
    return 0


app.command("calibrate", epilog=examples("calibrate", "calibrate --rounds 3"))(habits.calibrate_here)
app.command("open", epilog=examples("open latest", "open photos --print"))(habits.open_page)
app.command("help", epilog=examples("help", "help limits"))(habits.help_)
app.command("completion", epilog=examples("completion bash >> ~/.bashrc"))(habits.completion)
app.add_typer(data_cli.app, name="data", help="Fetch a data set, verify it, audit it.")
app.add_typer(prices_cli.app, name="prices", help="List machine prices: search them, update them.")


@app.command(
    epilog=examples("export latest resnet/onnx deploy/", "export cnn_vs_vit small_cnn/onnx-int8 out/model")
)
def export(
    run: RunName,
    variant: Annotated[str, required("VARIANT", "candidate/runtime, a row of the table.")],
    folder: Annotated[str, required("DIR", "A new folder.")],
    out: Out = "results",
) -> int:
    """Write the deployable artifact: model, pre-processing, card."""
    from harness.export.folder import check_free, export_variant
    from harness.store.runs import find_measured

    mistakes: list[str] = []
    with noting(mistakes):
        found = find_measured(run, out)
    if mistakes:
        with noting(mistakes):
            check_free(folder)
    refuse(mistakes)
    print(export_variant(found, variant, folder))
    return 0


@app.command(epilog=examples("doctor", "doctor --self-check"))
def doctor(
    self_check: Annotated[bool, flag("--self-check", "Measure models of known speed.")] = False,
    as_json: AsJson = False,
) -> int:
    """Check whether this machine is fit for measuring.

    Noise floor, cores, threads, GPU, Ray, disk, versions.
    """
    from harness.doctor import doctor as examine

    return examine(self_check=self_check, json_out=as_json)


@app.command(epilog=examples("schema > suite.schema.json     # for an editor's YAML plug-in"))
def schema() -> int:
    """Print the JSON Schema of a suite file, for editors."""
    from harness.reading.json_schema import suite_schema

    print(json.dumps(suite_schema(), indent=2))
    return 0


name_arguments_plainly(app, data_cli.app, prices_cli.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    gc.set_threshold(200_000, 20, 20)  # starting makes many objects that stay: looking for garbage is a tenth
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    for word in ("quiet", "verbose"):
        if f"--{word}" in arguments:
            os.environ["HARNESS_OUTPUT"] = word
    arguments = [argument for argument in arguments if argument not in EVERYWHERE]
    try:
        with coming_again():
            return _invoke(arguments)
    except BrokenPipeError:
        end_quietly()
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        text, code = explain(error)
        print(text, file=sys.stderr)
        return code


def _invoke(arguments: list[str]) -> int:
    if "_HARNESS_COMPLETE" in os.environ:  # a shell asks what a word may become
        importlib.import_module("typer._completion_classes").completion_init()
    command = typer.main.get_command(with_one_command(app, arguments))
    code = command(arguments, prog_name="harness", standalone_mode=False)
    sys.stdout.flush()
    return code if isinstance(code, int) else 0
