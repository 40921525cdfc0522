"""What a service is told beside the examples: headers whose values may name environment variables.

A suite is stored with its results, so a secret stands in neither: `$TOKEN` does, and is read from the
environment where a request is made. What comes back is shown with the name in the secret's place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from harness.record import TrialError

NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
SECRET = re.compile(r"auth|cookie|key|token|passw|secret|credential|signature", re.IGNORECASE)
OURS = ("accept", "content-type", "content-length", "host", "te", "user-agent")
"""Headers that the client sets itself."""


def check_headers(headers: Mapping[str, Any]) -> None:
    """Refuse what no header can hold, and a secret in the open.

    Raises:
        ValueError: the message has the cure.
    """
    for name, value in headers.items():
        if not NAME.fullmatch(str(name)) or str(name).lower() in OURS:
            raise ValueError(
                f"headers.{name}: the client sets it, or no header has such a name: leave it out"
            )
        if not isinstance(value, str) or not _fits(value):
            raise ValueError(f"headers.{name} is no text of plain characters: no header can hold it")
        template = Template(value)
        if not template.is_valid():
            raise ValueError(
                f"headers.{name}: after $ comes a variable's name, as in $TOKEN; write $$ for a $"
            )
        if SECRET.search(name) and not template.get_identifiers():
            raise ValueError(
                f"headers.{name} would stand in the records: write the name of an environment variable for "
                'what is secret, as in "Bearer $TOKEN"'
            )


def _fits(value: str) -> bool:
    return value.isascii() and value.isprintable()


@dataclass(frozen=True)
class SentHeaders:
    """What is sent, and what of it must not be seen. `secrets`: variable → its value."""

    sent: Mapping[str, str]
    secrets: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SentHeaders({', '.join(self.sent)})"

    def hide(self, text: object) -> str:
        """A text with the names of variables where it held their values, the longest first."""
        said = str(text)
        for name, value in sorted(self.secrets.items(), key=lambda item: -len(item[1])):
            said = said.replace(value, f"${name}")
        return said


def read_headers(headers: Mapping[str, str]) -> SentHeaders:
    """The headers with the values of the variables that they name.

    Raises:
        TrialError: a variable is not set here, or holds what no header may.
    """
    sent, secrets = {}, {}
    for name, value in headers.items():
        for variable in Template(value).get_identifiers():
            found = os.environ.get(variable, "")
            if not found:
                raise TrialError(
                    f"headers.{name} names the environment variable {variable}, which is not set: set it "
                    "where the run starts, on a cluster on every node"
                )
            if not _fits(found):
                raise TrialError(
                    f"headers.{name}: the environment variable {variable} holds a line break or another "
                    "character that no header may hold: set it without"
                )
            secrets[variable] = found
        sent[name] = Template(value).substitute(secrets)
    return SentHeaders(sent, secrets)
