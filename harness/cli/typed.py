"""What is wrong in a command as it is typed, all of it: the parser below stops at the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from harness.names import nearest

EVERYWHERE = ("--debug", "--quiet", "--verbose")
"""Options that may stand anywhere; `main` takes them out before."""
HELP = ("--help", "-h")


def wrong_words(command: str, params: Sequence[Any], words: Sequence[str]) -> list[str]:
    """Options that there are not, that lack their value or take none, and arguments that are missing.

    Args:
        command: as it was typed so far, `harness data audit`. params: of Click. words: that follow it.
    """
    options = {name: p for p in params for name in (*p.opts, *p.secondary_opts) if name.startswith("-")}
    known = {n.lstrip("-"): n for n in (*options, *EVERYWHERE) if n.startswith("--")}
    mistakes, given, rest = list[str](), list[tuple[str, str]](), list(words)
    repeatable = ""
    while rest:
        word = rest.pop(0)
        name, is_set, _ = word.partition("=")
        found = options.get(name) or options.get(word[:2])
        if word == "--":
            given += [(one, "") for one in rest]
            break
        if not word.startswith("-") or word == "-":
            given.append((word, repeatable))
        elif found is None:
            near = known.get(nearest(name.lstrip("-"), known) or "")
            cure = f"did you mean `{near}`?" if near else f"see `{command} --help`"
            mistakes.append(f"{name}: there is no such option: {cure}")
        elif found.is_flag:
            mistakes += [f"{word}: {name} takes no value: leave it out"] if is_set else []
        elif not is_set and name in options:
            if not rest:
                mistakes.append(f"{name}: its value is missing: write `{name} {found.metavar}`")
            rest = rest[1:]
        if found is not None:
            repeatable = name if found.multiple else ""
    helped = bool(set(HELP) & set(words))
    return mistakes + ([] if helped else _of_arguments(command, params, given, bool(mistakes)))


def _of_arguments(
    command: str, params: Sequence[Any], given: Sequence[tuple[str, str]], may_be_values: bool
) -> list[str]:
    """Arguments that are missing, and those that are too many.

    Args:
        given: (what stands on the line, the option that may be repeated before it, or nothing).
        may_be_values: of options that there are not, so that none is called too many.
    """
    arguments = [p for p in params if p.param_type_name == "argument"]
    needed = [p for p in arguments if p.required][len(given) :]
    mistakes = [f"{p.metavar} is missing: {p.help or f'see `{command} --help`'}" for p in needed]
    if may_be_values or not arguments or any(p.nargs != 1 for p in arguments):
        return mistakes
    takes = f"`{command}` takes {' '.join(p.metavar for p in arguments)}"
    for word, option in given[len(arguments) :]:
        mistakes.append(f"{word}: one argument too many: {f'write `{option} {word}`' if option else takes}")
    return mistakes


def before_the_command(words: Sequence[str]) -> list[str]:
    """The options that stand before the name of a command."""
    return list(takewhile(lambda word: word.startswith("-"), words))
