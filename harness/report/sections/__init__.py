"""The sections of the report, in order. A new one: a function `(Evidence) -> Section | None`, a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.protocols import Section
from harness.report.evidence import Evidence
from harness.report.sections.agreement import agreement
from harness.report.sections.beside import certified, duels
from harness.report.sections.calibration import calibration
from harness.report.sections.constant import constant
from harness.report.sections.differences import differences
from harness.report.sections.errors import disagreements, slices, worst
from harness.report.sections.load import load
from harness.report.sections.money import costs
from harness.report.sections.network import network
from harness.report.sections.outlook import flips, next_steps, value
from harness.report.sections.own import of_kind
from harness.report.sections.quality import by_class, learning_curves, training_size
from harness.report.sections.requirements import requirements
from harness.report.sections.retrieval import price_of_recall, stages
from harness.report.sections.runtimes import runtimes
from harness.report.sections.scaling import scaling
from harness.report.sections.search import tuning
from harness.report.sections.serving import batches, latency
from harness.report.sections.shop import ab_tests, foretold, ranker_gains
from harness.report.sections.thresholds import curves, temperature
from harness.report.sections.tradeoff import pareto, tradeoff_table
from harness.report.sections.validity import environment, reproduce, validity
from harness.report.sections.verdict import verdict
from harness.report.sections.whatif import what_if
from harness.report.sections.worlds import both_worlds

SECTIONS: Mapping[str, Callable[[Evidence], Section | None]] = {
    "verdict": verdict,
    "constant": constant,
    "requirements": requirements,
    "tradeoff": tradeoff_table,
    "pareto": pareto,
    "differences": differences,
    "flips": flips,
    "agreement": agreement,
    "what_if": what_if,
    "costs": costs,
    "value": value,
    "ranker": ranker_gains,
    "both_worlds": both_worlds,
    "ab_tests": ab_tests,
    "foretold": foretold,
    "stages": stages,
    "price_of_recall": price_of_recall,
    "training_size": training_size,
    "training": learning_curves,
    "tuning": tuning,
    "by_class": by_class,
    "of_kind": of_kind,
    "calibration": calibration,
    "temperature": temperature,
    "curves": curves,
    "slices": slices,
    "worst_errors": worst,
    "disagreements": disagreements,
    "latency": latency,
    "load": load,
    "batches": batches,
    "runtimes": runtimes,
    "network": network,
    "scaling": scaling,
    "duels": duels,
    "certified": certified,
    "next_steps": next_steps,
    "validity": validity,
    "environment": environment,
    "reproduce": reproduce,
}
"""Name → section. A section with nothing to show returns None and is left out."""

OF_THE_FIRST_PART = (
    "constant",
    "of_kind",
    "temperature",
    "curves",
    "slices",
    "worst_errors",
    "disagreements",
)
"""Those that show one model's answers: of several folds or repeats those of the first."""

ON_PAGE_ONE = ("verdict", "requirements", "tradeoff")
"""Those that are printed beside the report, as `summary.pdf`."""

SHORT = ("verdict", "constant", "requirements", "tradeoff", "flips", "agreement")
"""Those that report.md has."""
