"""`run --again`: the rounds of one more session, beside those that are finished."""

from __future__ import annotations

import shlex
from dataclasses import replace

from harness.mistakes import refuse
from harness.planning.asked import contradictions
from harness.planning.plan import Plan, plan_run
from harness.planning.request import RunRequest
from harness.planning.tails import with_rounds
from harness.record import Trial
from harness.suite.schema import Suite


def with_another_session(suite: Suite, request: RunRequest, gpus: float, stops: bool = False) -> Suite:
    """The suite with the rounds of one session more than were served; one that was interrupted goes on.

    Args:
        stops: whether runs stop once they are decided; their first session has as many rounds as that took.
    Raises:
        SuiteError: a trial run serves too little for a session.
    """
    refuse(contradictions(request))
    each, sessions, is_local = suite.serving.rounds, 1, request.address is None
    suite = plan_run(suite, request.only, request.out, gpus=gpus, is_local=is_local)[0].suite
    while True:
        longer = with_rounds(suite, each * sessions)
        plan, cached = plan_run(longer, request.only, request.out, gpus=gpus, is_local=is_local)
        finished = {t.round for t in plan.trials if t.kind == "serve" and t.id in cached}
        # Whoever fails in every session has no finished round in its last; the others have.
        is_short = stops and sessions == 1 and finished
        if each * sessions - 1 not in finished and not is_short:
            return longer
        sessions += 1


def of_the_served(plan: Plan, each: int) -> Plan:
    """A plan of several sessions without what no run has measured yet, but for further sessions of who was
    served in the first: what was ruled out stays out.

    Args:
        each: rounds of a session.
    """
    serving = [t for t in plan.trials if t.kind == "serve"]
    served = {str(t.variant) for t in serving if t.id in plan.cached and (t.round or 0) < each}

    def goes_on(trial: Trial) -> bool:
        is_further = (trial.round or 0) >= each and str(trial.variant) in served
        return trial.kind == "serve" and is_further and plan.cached.issuperset(trial.needs)

    return replace(plan, trials=tuple(t for t in plan.trials if t.id in plan.cached or goes_on(t)))


def again_command(request: RunRequest, run: str = "") -> str:
    """The command that asks for the same in one session more: of the same parts, to the same place.

    Args:
        run: the URL of the run's folder, which holds the suite, resolved, where its own file passes.
    """
    same = replace(request, again=True, budget=None, certify=None, refresh=False, smoke=False)
    if request.is_passing:
        same = replace(same, suite=f"{run}/suite.yaml", overrides=(), dataset=None)
    where = ("--out", request.out) if request.out != RunRequest.out else ()
    node = ("--address", request.address) if request.address else ()
    return shlex.join(["python", "-m", "harness", "run", str(same.suite), *where, *node, *same.arguments])
