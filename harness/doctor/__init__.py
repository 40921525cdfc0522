"""`harness doctor`: is this machine fit to measure, and does the harness measure what is true?"""

from __future__ import annotations

import json
import sys

from harness.doctor.findings import MachineCheck
from harness.doctor.machine import examine


def doctor(self_check: bool = False, json_out: bool = False) -> int:
    """Examine the machine, or check the serving path against known truths.

    Text for people goes to stderr, JSON to stdout.

    Returns:
        0 when all is well, 1 when a self-check failed.
    """
    if self_check:
        from harness.doctor.selfcheck import as_table, run_checks

        checks = run_checks(progress=lambda line: print(line, file=sys.stderr, flush=True))
        if json_out:
            print(json.dumps([check.as_json() for check in checks], indent=1))
        else:
            print(as_table(checks), file=sys.stderr)
        return 0 if all(check.passed for check in checks) else 1
    findings, facts = examine()
    if json_out:
        print(json.dumps({"findings": [f.as_json() for f in findings], **facts}, indent=1))
    else:
        print(as_text(findings), file=sys.stderr)
    return 0


def as_text(findings: list[MachineCheck]) -> str:
    """One block per finding: what was found, and what it means for measuring here."""
    width = max(len(f.what) for f in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.mark} {finding.what:<{width}}  {finding.found}")
        if finding.meaning:
            lines.append(" " * (len(finding.mark) + 1 + width + 2) + finding.meaning)
    return "\n".join(lines)
