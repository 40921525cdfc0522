#!/usr/bin/env bash
# transformers, Trainer.evaluate(): `eval_loss`, by which the best model is kept and training stops, and whose exponent is a language model's perplexity in the library's own guides, is a mean over texts in which each counts with the
# mean over the *tokens of its batch*. So it depends on `per_device_eval_batch_size`, which one sets by what fits into memory: one by one a text of five words counts as much as one of 60, 64 at a time the long ones
# decide. Of one model and one file with both the perplexity is 8 one by one and 1.5 in batches of 64, as it is by tokens; and one by one the model that is worse by tokens is the
# better of two. A larger model, which needs smaller batches, is measured with another measure. In training the same library counts tokens over all batches of
# a step. (Issue 39241, open since 2025; neither the guides nor the arguments' documentation say it.) Texts of one length agree whatever the batch.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'transformers==5.23.0' 'accelerate==1.15.0' 'torch==2.13.0' 'numpy==2.4.6'
cd "$work"
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES=
OMP_NUM_THREADS=1 "$work/venv/bin/python" -W ignore - <<'PY'
import math
from importlib.metadata import version

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PrinterCallback, Trainer, TrainingArguments

rng = np.random.default_rng(0)
WORDS = 40


def text(is_long):
    """Either counting, which is learned in no time, or a few words that nobody can foresee."""
    if is_long:
        return (int(rng.integers(WORDS)) + np.arange(60)) % WORDS
    return rng.integers(0, WORDS, 5)


def collate(texts):
    length = max(map(len, texts))
    ids, labels, mask = torch.zeros(len(texts), length, dtype=torch.long), torch.full((len(texts), length), -100), torch.zeros(len(texts), length, dtype=torch.long)
    for row, one in enumerate(texts):
        ids[row, : len(one)] = labels[row, : len(one)] = torch.as_tensor(one)
        mask[row, : len(one)] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def fitted(share_long, steps):
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=WORDS, n_positions=64, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = model(**collate([text(rng.random() < share_long) for _ in range(32)])).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


class Rows(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, place):
        return self.rows[place]


def evaluated(model, rows, size):
    arguments = TrainingArguments("out", per_device_eval_batch_size=size, report_to=[], use_cpu=True, disable_tqdm=True, remove_unused_columns=False)
    trainer = Trainer(model, arguments, data_collator=collate, eval_dataset=Rows(rows))
    trainer.remove_callback(PrinterCallback)
    return trainer.evaluate()["eval_loss"]


def by_tokens(model, rows):
    with torch.inference_mode():
        losses = [(model(**collate([row])).loss.item(), len(row) - 1) for row in rows]
    return sum(loss * tokens for loss, tokens in losses) / sum(tokens for _, tokens in losses)


mixed, even = [text(place % 2 == 0) for place in range(128)], [text(True) for _ in range(64)]
models = {"learned on as many of each": fitted(0.5, 60), "on nine short ones of ten": fitted(0.1, 40)}
print(f"transformers {version('transformers')}, perplexity as exp(eval_loss) of 64 texts of 60 words and 64 of 5: batches of 1, 8 and 64, and by tokens")
found = {}
for name, model in models.items():
    found[name] = [math.exp(evaluated(model, mixed, size)) for size in (1, 8, 64)] + [math.exp(by_tokens(model, mixed))]
    print(f"  {name}: " + ", ".join(f"{value:.2f}" for value in found[name]))
same = [evaluated(models["learned on as many of each"], even, size) for size in (1, 8, 64)]
print("  texts of one length, eval_loss: " + ", ".join(f"{value:.4f}" for value in same))
first, second = found.values()
assert first[0] > 4 * first[2] and first[0] > 1.2 * second[0] and first[2] < second[2] / 1.2 and first[3] < second[3] / 1.2
assert abs(first[2] - first[3]) < 0.05 * first[3] and max(same) - min(same) < 1e-5
PY
