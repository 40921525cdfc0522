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
    mistakes, given, rest = list[str](), list[str](), list(words)
    while rest:
        word = rest.pop(0)
        name, is_set, _ = word.partition("=")
        found = options.get(name) or options.get(word[:2])
        if word == "--":
            given += rest
            break
        if not word.startswith("-") or word == "-":
            given.append(word)
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
    needed = [p for p in params if p.param_type_name == "argument" and p.required]
    needed = needed if not set(HELP) & set(words) else []
    mistakes += [
        f"{p.metavar} is missing: {p.help or f'see `{command} --help`'}" for p in needed[len(given) :]
    ]
    return mistakes


def before_the_command(words: Sequence[str]) -> list[str]:
    """The options that stand before the name of a command."""
    return list(takewhile(lambda word: word.startswith("-"), words))
