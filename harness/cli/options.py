"""What the commands share: their common options, the order and the look of their help."""

from __future__ import annotations

import contextlib
import copy
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

import harness
from harness.cli.typed import before_the_command, wrong_words
from harness.mistakes import refuse


class Group(typer.core.TyperGroup):
    """Commands in the order in which they are needed, not of the alphabet; says that one was interrupted."""

    def list_commands(self, ctx: object) -> list[str]:
        return list(self.commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            refuse(wrong_words(ctx.command_path, self.get_params(ctx), before_the_command(args)))
        return super().parse_args(ctx, args)

    def make_context(self, *names: Any, **more: Any) -> Any:
        with _said_when_interrupted():
            return super().make_context(*names, **more)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _said_when_interrupted():
                return super().invoke(ctx)
        except BrokenPipeError:  # of which typers of today make exit code 1
            end_quietly()
            return 0


@contextlib.contextmanager
def _said_when_interrupted() -> Iterator[None]:
    """Typers of today make an exit of Ctrl-C, of which nobody would hear."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise typer.Abort() from error


class Command(typer.core.TyperCommand):
    """A command whose help names its arguments as the documentation does, `SUITE` where typers of today write
    `{SUITE}` and `SUITE <str>`."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        named = [
            a.metavar if a.required or a.metavar.startswith("[") else f"[{a.metavar}]"
            for a in self._arguments(ctx)
        ]
        return [self.options_metavar or "", *named]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            refuse(wrong_words(ctx.command_path, self.get_params(ctx), args))
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for argument in self._arguments(ctx):
            argument.display_type_rich = lambda ctx: ""
        super().format_options(ctx, formatter)

    def _arguments(self, ctx: Any) -> list[Any]:
        return [param for param in self.get_params(ctx) if param.param_type_name == "argument"]


def end_quietly() -> None:
    """Nobody reads on, as in `harness list metrics | head`: that is no error, of which Python would complain
    when it flushes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def name_arguments_plainly(*apps: typer.Typer) -> None:
    """Make all commands of applications `Command`s."""
    for app in apps:
        for command in app.registered_commands:
            command.cls = Command


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  python -m harness {line}" for line in lines)


def required(metavar: str, text: str, complete: Callable[[str], list[str]] | None = None) -> object:
    """A positional argument, with what a shell may complete it to."""
    return typer.Argument(metavar=metavar, help=text, show_default=False, autocompletion=complete)


def option(name: str, metavar: str, text: str) -> object:
    """An option with a value."""
    return typer.Option(name, metavar=metavar, help=text)


def flag(name: str, text: str) -> object:
    """An option without a value."""
    return typer.Option(name, help=text)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"harness {harness.__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", help="Print the version and exit.", callback=_say_version, is_eager=True),
]


def suites(incomplete: str) -> list[str]:
    """Suite files here and in `suites/` that begin so."""
    files = [*Path().glob("*.y*ml"), *Path("suites").glob("*.y*ml"), *Path().glob("examples/*/*.y*ml")]
    return sorted(str(file) for file in files if str(file).startswith(incomplete))


def runs(incomplete: str) -> list[str]:
    """Runs under `results/` that begin so, as commands take them."""
    found = {"latest"} | {f"{path.parent.name}/{path.name}" for path in Path("results").glob("*/*-*-*")}
    found |= {name.partition("/")[0] for name in found}
    return sorted(name for name in found if name.startswith(incomplete))


SuitePath = Annotated[str, required("SUITE", "A suite file.", suites)]
RunName = Annotated[
    str, required("RUN", "A run folder, its URL, a run id, SUITE, SUITE/latest or latest.", runs)
]
Sets = Annotated[list[str] | None, option("--set", "a.b=c", "Override a value of the suite; repeatable.")]
Only = Annotated[
    list[str] | None, option("--only", "GLOB", "Only matching candidates, variants or trials; repeatable.")
]
Out = Annotated[
    str, typer.Option("--out", "-o", metavar="DIR", help="Where runs are kept: a folder or a URL.")
]
OfSet = Annotated[str | None, option("--dataset", "NAME", "One data set of a suite that has several.")]
AsJson = Annotated[bool, flag("--json", "Print JSON to stdout.")]
Smoke = Annotated[bool, flag("--smoke", "A few rows, one epoch, one seed: does it work at all?")]


def budget_seconds(text: str) -> float:
    """`10m` → 600."""
    from harness.planning import request

    return request.budget_seconds(text, "--budget")


def with_one_command(app: typer.Typer, arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that is typed alone: the options of the others need not be read.
    All of it where none of its commands is typed first, as for `--help`."""
    typed = next(iter(arguments), "")
    commands = [c for c in app.registered_commands if _name_of(c) == typed]
    groups = [g for g in app.registered_groups if g.name == typed]
    if not commands and not groups:
        return app
    one = copy.copy(app)
    one.registered_commands, one.registered_groups = commands, groups
    return one


def _name_of(command: typer.models.CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback else "")


def without_plugins() -> None:
    """Have Pydantic look for none of its plugins: it reads what every installed package declares. For
    commands that run nobody's code; the variable would reach child processes."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
