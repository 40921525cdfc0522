"""Images of the data as small PNG files inside the page: it stays one file that loads nothing."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

LARGEST = 64
"""Pixels a side: larger images are thinned, so that twenty of them weigh about 200 kB."""


def data_uri(image: np.ndarray) -> str:
    """An image as `data:image/png;base64,…`.

    Args:
        image: (channels, height, width) uint8, of one channel (grey) or three (red, green, blue); of other
            numbers of channels the first is shown.
    """
    step = max(1, -(-max(image.shape[1:]) // LARGEST))
    return "data:image/png;base64," + base64.b64encode(png(image[:, ::step, ::step])).decode()


def png(image: np.ndarray) -> bytes:
    """The bytes of a PNG file: one IDAT chunk, no filter."""
    channels = image if len(image) == 3 else image[:1]
    _, height, width = channels.shape
    rows = np.ascontiguousarray(channels.transpose(1, 2, 0)).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    colour = 2 if len(channels) == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
