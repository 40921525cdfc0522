"""A classifier that Hugging Face's Trainer trains, named in suite.yaml as `my_trainers:tiny_vit`.

The builder returns the Trainer. Its TrainingArguments and its loss are obeyed; data, seeds and the choice of
the best epoch are the suite's, so it is given no data set. Its model is scored, exported and served.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import Trainer, TrainingArguments, ViTConfig, ViTForImageClassification

from harness.protocols import Task


class Focal(Trainer):
    """Examples that are answered well already count less: the reason to bring a Trainer of one's own."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        losses = nn.functional.cross_entropy(outputs.logits, labels, reduction="none")
        loss = ((1 - torch.exp(-losses)) ** self.gamma * losses).mean()
        return (loss, outputs) if return_outputs else loss

    gamma = 1.0


def tiny_vit(task: Task, *, width: int = 48, lr: float = 2e-3, gamma: float = 1.0) -> Trainer:
    """A vision transformer of two layers, from random weights."""
    channels, side, _ = task.input_shape
    config = ViTConfig(
        image_size=side, patch_size=2, num_channels=channels, num_labels=task.num_classes,
        hidden_size=width, num_hidden_layers=2, num_attention_heads=4, intermediate_size=2 * width,
    )  # fmt: skip
    arguments = TrainingArguments(
        num_train_epochs=15,  # as the suite says for it
        per_device_train_batch_size=64,
        learning_rate=lr,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        weight_decay=0.05,
    )
    trainer = Focal(ViTForImageClassification(config), arguments)
    trainer.gamma = gamma
    return trainer
