#!/usr/bin/env bash
# tokenizers (Hugging Face), WordPieceTrainer: trained twice on one text, with nothing random in the method, it gives two vocabularies: other numbers for most
# tokens, and other tokens where counts are equal, so that texts are cut differently. There is no seed; one thread does not help; it differs between two
# trainers of one process as between two processes. (Pieces get their numbers in the order of a hash map, and numbers decide ties. Issue 1794, open.) A
# network trained from "the same seed" then reads other input, so that two architectures do not differ in the architecture alone, and ids kept by one
# run mean other words in the next. BPE without `continuing_subword_prefix`, WordLevel and Unigram are the same each time. Train once, keep tokenizer.json.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check 'tokenizers==0.23.3'
cat > "$work/train.py" <<'PY'
import json, random, sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

kinds = {
    "WordPiece": (models.WordPiece(unk_token="?"), trainers.WordPieceTrainer, {}),
    "BPE, prefix ##": (models.BPE(unk_token="?", continuing_subword_prefix="##"), trainers.BpeTrainer, {"continuing_subword_prefix": "##"}),
    "BPE": (models.BPE(unk_token="?"), trainers.BpeTrainer, {}),
    "WordLevel": (models.WordLevel(unk_token="?"), trainers.WordLevelTrainer, {}),
    "Unigram": (models.Unigram(), trainers.UnigramTrainer, {"unk_token": "?"}),
}
model, trainer, options = kinds[sys.argv[1]]
random.seed(0)
words = ["".join(random.choice("abcdefghij") for _ in range(random.randint(2, 7))) for _ in range(800)]
texts = [" ".join(random.choices(words, k=8)) for _ in range(300)]
made = Tokenizer(model)
made.pre_tokenizer = pre_tokenizers.Whitespace()
made.train_from_iterator(texts, trainer(vocab_size=600, special_tokens=["?"], show_progress=False, **options))
print(json.dumps({"vocabulary": made.get_vocab(), "cut": [made.encode(text).tokens for text in texts]}))
PY
"$work/venv/bin/python" - "$work/train.py" <<'PY'
import itertools, json, os, subprocess, sys
from importlib.metadata import version

def trained(kind):
    quiet = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    ran = subprocess.run([sys.executable, "-W", "error", sys.argv[1], kind], capture_output=True, text=True, check=True, env=quiet)
    assert not ran.stderr, ran.stderr
    return json.loads(ran.stdout)

print(f"tokenizers {version('tokenizers')}: trained six times on the same 300 texts, in one thread; of two trainings, in the mean:")
found = {}
for kind in ("WordPiece", "BPE, prefix ##", "BPE", "WordLevel", "Unigram"):
    pairs = list(itertools.combinations([trained(kind) for _ in range(6)], 2))
    renumbered = [sum(one["vocabulary"][token] != other["vocabulary"].get(token) for token in one["vocabulary"]) / len(one["vocabulary"]) for one, other in pairs]
    recut = [sum(a != b for a, b in zip(one["cut"], other["cut"])) / 300 for one, other in pairs]
    found[kind] = sum(renumbered) / len(pairs), sum(recut) / len(pairs)
    print(f"  {kind}: {found[kind][0]:.1%} of the tokens have another number or are gone, {found[kind][1]:.1%} of the texts are cut differently")
for kind in ("WordPiece", "BPE, prefix ##"):
    assert found[kind][0] > 0.02 and found[kind][1] > 0.02, found
assert all(found[kind] == (0, 0) for kind in ("BPE", "WordLevel", "Unigram")), found
PY
