#!/usr/bin/env bash
# transformers and tokenizers: `tokenizer(texts, truncation=True, max_length=16, padding="max_length")` leaves truncation and padding set inside, and
# `save_pretrained` writes them into tokenizer.json: what the *last* call before saving happened to ask for becomes a property of the file. transformers
# passes it over when it loads the file, so a check there is right. A server that reads the same file with the tokenizers library (or what is built on
# it, in Rust or Java) cuts every text after 16 tokens, and pads it to 16, in silence: of a long text the model sees the beginning. Saved before the first
# call the file has neither. The documentation has both as arguments of a call, and `model_max_length` as what is kept.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'transformers==5.23.0' 'tokenizers==0.23.3'
cd "$work"
HF_HUB_OFFLINE=1 "$work/venv/bin/python" -W ignore - 2>log <<'PY' || { cat log >&2; exit 1; }
import json
from pathlib import Path

import tokenizers, transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
text = " ".join(f"w{k}" for k in range(100)) + " not"
words.train_from_iterator([text], trainers.WordLevelTrainer(special_tokens=["[UNK]", "[PAD]"]))
fast = transformers.PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", model_max_length=512)
calls = {
    "no call": None, "a call with max_length=16, padded to it": {"truncation": True, "max_length": 16, "padding": "max_length"},
    "a call with max_length=64": {"truncation": True, "max_length": 64}, "a plain call": {},
}
print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}: tokens of a text of 101 words, and of one word, out of the "
      "file that is saved after")
found = {}
for name, arguments in calls.items():
    if arguments is not None:
        fast([text], **arguments)
    fast.save_pretrained("saved")
    again, alone = transformers.AutoTokenizer.from_pretrained("saved"), Tokenizer.from_file("saved/tokenizer.json")
    found[name] = [(len(again(t)["input_ids"]), len(alone.encode(t).ids)) for t in (text, "w1")]
    kept = json.loads(Path("saved/tokenizer.json").read_text())
    print(f"  {name}: transformers {[n for n, _ in found[name]]}, tokenizers {[n for _, n in found[name]]}; "
          f"the file cuts after {(kept['truncation'] or {}).get('max_length')}")
assert found == {
    "no call": [(101, 101), (1, 1)], "a call with max_length=16, padded to it": [(101, 16), (1, 16)],
    "a call with max_length=64": [(101, 64), (1, 1)], "a plain call": [(101, 101), (1, 1)],
}, found
PY
