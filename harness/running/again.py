"""`run --again`: the rounds of one more session, beside those that are finished."""

from __future__ import annotations

import shlex
from dataclasses import replace

from harness.planning.plan import plan_run
from harness.planning.request import RunRequest
from harness.record import HarnessError
from harness.suite.schema import Suite


def with_another_session(suite: Suite, request: RunRequest, gpus: float) -> Suite:
    """The suite with the rounds of one session more than were served; one that was interrupted goes on.

    Raises:
        HarnessError: the run serves too little for a session.
    """
    if request.smoke or request.until_decided:
        other = "--smoke" if request.smoke else "--until-decided"
        raise HarnessError(f"--again serves every variant once more, {other} does not: leave one of them out")
    each, sessions = suite.serving.rounds, 1
    while True:
        serving = suite.serving.model_copy(update={"rounds": each * sessions})
        longer = suite.model_copy(update={"serving": serving})
        plan, cached = plan_run(
            longer, request.only, request.out, gpus=gpus, is_local=request.address is None
        )
        finished = {t.round for t in plan.trials if t.kind == "serve" and t.id in cached}
        # Whoever fails in every session has no finished round in its last; the others have.
        if each * sessions - 1 not in finished:
            return longer
        sessions += 1


def again_command(request: RunRequest) -> str:
    """The command that asks for the same in one session more: of the same parts, to the same place."""
    same = replace(
        request, again=True, budget=None, certify=None, refresh=False, smoke=False, until_decided=False
    )
    where = ("--out", request.out) if request.out != RunRequest.out else ()
    node = ("--address", request.address) if request.address else ()
    return shlex.join(["python", "-m", "harness", "run", str(request.suite), *where, *node, *same.arguments])
