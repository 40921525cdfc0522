#!/usr/bin/env bash
# Inspect (inspect-ai), `match(numeric=True)`, which scores arithmetic and word problems by the last number that a model says: both numbers are rounded to *five significant digits* and compared then. 123,460 is as right as
# 123,456, and 2,000,049 as 2,000,000. Of products of three digits by three a model whose every answer is off by 1, 2 or 3, as slips in the last digits are, has an accuracy of .69, of four by four 1.00; of
# two by two 0, so that a check on small numbers passes, and a model that gets worse with the length of the numbers gets better. So do years beside months in one number (202,601 and 202,602), sums of money and counts. Nothing is
# said; the documentation has that numbers are "normalized and compared". Without `numeric` the texts' ends are compared: these are 0, and "15" is right for 5 (as it was with `numeric` until May 2026). A pattern with
# the whole number in it and an own comparison are right.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'inspect-ai==0.3.285'
cd "$work"
HOME="$work" "$work/venv/bin/python" -W ignore - <<'PY'
import asyncio, random
from importlib.metadata import version

from inspect_ai.model import ModelOutput
from inspect_ai.scorer import Target, match
from inspect_ai.solver import TaskState

random.seed(0)


def accuracy(pairs, **how):
    scorer = match(**how)

    async def right(answer, said):
        state = TaskState(model="mockllm/model", sample_id=1, epoch=1, input="?", messages=[], output=ModelOutput.from_content("mockllm/model", f"The answer is {said}"))
        return (await scorer(state, Target(str(answer)))).value == "C"

    async def share():
        return sum([await right(*pair) for pair in pairs]) / len(pairs)

    return asyncio.run(share())


print(f"inspect-ai {version('inspect-ai')}: accuracy of a model whose every answer is wrong by 1, 2 or 3")
found = {}
for digits in (2, 3, 4):
    least, most = 10 ** (digits - 1), 10**digits
    products = [random.randrange(least, most) * random.randrange(least, most) for _ in range(500)]
    wrong = [(product, product + random.choice([-3, -2, -1, 1, 2, 3])) for product in products]
    found[digits] = accuracy(wrong, numeric=True), accuracy(wrong), accuracy(wrong, numeric=True, location="exact"), accuracy([(product, product) for product in products], numeric=True)
    print("  products of {0} digits by {0}: {1:.2f}; without numeric {2:.2f}; of right answers {4:.2f}".format(digits, *found[digits]))
for target, said in (("123456", "123460"), ("0.123456", "0.12346"), ("2000000", "2000049"), ("99999.6", "100000"), ("12345", "12346")):
    print(f"  {said} for {target}: {'right' if accuracy([(target, said)], numeric=True) else 'wrong'}")
assert found[2][0] == 0 and found[3][0] > 0.5 and found[4][0] > 0.9, found
assert all(plain == 0 and right == 1 for _, plain, _, right in found.values()), found
assert accuracy([(2000000, 2000049)], numeric=True) == 1 and accuracy([(12345, 12346)], numeric=True) == 0
PY
