"""A small convolution network: four layers, the baseline of image classification."""

from __future__ import annotations

from torch import Tensor, nn

from harness.protocols import Task


class SmallCNN(nn.Module):
    """Four 3×3 convolutions with batch normalisation, halved twice, averaged over the image.

    Args:
        channels: of the image. width: of the middle layers; the first has half, the last twice as many.
    """

    def __init__(self, channels: int, num_classes: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(channels, width // 2),
            nn.MaxPool2d(2),
            _convolution(width // 2, width),
            _convolution(width, width),
            nn.MaxPool2d(2),
            _convolution(width, 2 * width),
        )
        self.head = nn.Linear(2 * width, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalised images (batch, channels, height, width) → logits (batch, num_classes)."""
        features_BDhw: Tensor = self.features(x_BCHW)
        logits: Tensor = self.head(features_BDhw.mean(dim=(2, 3)))
        return logits


def build(task: Task, *, width: int = 64) -> nn.Module:
    """Build a small CNN for images of at least 4×4; width 64 has 131 thousand parameters."""
    return SmallCNN(task.input_shape[0], task.num_classes, width)


def _convolution(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
