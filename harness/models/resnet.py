"""A residual network laid out for small images: 3×3 stem, no pooling, four stages.

Source: K. He et al., Deep Residual Learning for Image Recognition, 2016 (the CIFAR form: a 3×3
stem), with the stages of ResNet-18.
"""

from __future__ import annotations

from torch import Tensor, nn

from harness.protocols import Task


class Block(nn.Module):
    """Two 3×3 convolutions around which the input is carried; a 1×1 one where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.carry: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.carry = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(batch, inputs, height, width) → (batch, outputs, height/stride, width/stride)."""
        x: Tensor = self.activation(self.second(self.first(x_BCHW)) + self.carry(x_BCHW))
        return x


class ResNet(nn.Module):
    """Four stages of `blocks` each, the width doubled and the image halved from stage to stage."""

    def __init__(self, channels: int, num_classes: int, width: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        stages: list[nn.Module] = []
        inputs = width
        for stage, number in enumerate(blocks):
            outputs = width * 2**stage
            for i in range(number):
                stages.append(Block(inputs, outputs, stride=2 if stage and i == 0 else 1))
                inputs = outputs
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images (batch, channels, height, width) → logits (batch, num_classes)."""
        features_BDhw: Tensor = self.stages(self.stem(x_BCHW))
        logits: Tensor = self.head(features_BDhw.mean(dim=(2, 3)))
        return logits


DEPTHS: dict[int, tuple[int, ...]] = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Depth → blocks per stage (two convolutions a block, one stem, one head)."""


def build(task: Task, *, width: int = 16, depth: int = 18) -> nn.Module:
    """Build a ResNet; width 16 at depth 18 has 0.7 million parameters, 64 is the published width."""
    return ResNet(task.input_shape[0], task.num_classes, width, DEPTHS[depth])
