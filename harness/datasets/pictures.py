"""An image file as the pixels that a model takes: shipped beside exported models, it needs Pillow alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

WHITE = 65535
"""Of an image of 16 bits."""


def decode(
    file: Path, shape: tuple[int, ...], colour: tuple[int, int, int] = (255, 255, 255), white: int = WHITE
) -> np.ndarray:
    """One image as uint8 (channels, height, width): turned upright, cropped to the shape's ratio, resized.

    Args:
        colour: what shows through transparent pixels; what they would be without their transparency is
            whatever an editor left there.
        white: the value that is white in an image of 16 bits.
    Raises:
        ValueError: the file is not a whole image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    channels, height, width = shape
    try:
        with Image.open(file) as image:
            upright = _eight_bits(_opaque(ImageOps.exif_transpose(image), colour), image.format, white)
            upright = upright.convert("L" if channels == 1 else "RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{file}: {error}") from error
    fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(fitted, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _opaque(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """An image laid on a colour, where it has transparent pixels."""
    from PIL import Image

    if not image.has_transparency_data or image.mode.startswith("I"):
        return image
    ground = Image.new("RGBA", image.size, (*colour, 255))
    ground.alpha_composite(image.convert("RGBA"))
    return ground.convert("RGB")


def is_deep(image: Image.Image, kind: str | None = None) -> bool:
    """Whether an image is grey, of 16 bits."""
    return image.mode.startswith("I;16") or (image.mode == "I" and (kind or image.format) in ("PNG", "PPM"))


def _eight_bits(image: Image.Image, kind: str | None, white: int) -> Image.Image:
    """Grey images of 16 bits scaled to 8; Pillow would clip them, and nearly all of them to white."""
    from PIL import Image

    if is_deep(image, kind):
        scaled = np.asarray(image, np.float32) * (255 / white)
        return Image.fromarray(np.round(np.clip(scaled, 0, 255)).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("pixels of 32 bits, of which nothing says what is white: save it with 8 or 16")
    return image
