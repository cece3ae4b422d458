"""Requests that no browser sends: fuzzed bodies, bombs, truncated and polyglot images, huge JSON, wrong types."""

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "bmp": "image/bmp"}
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW"]
PATHS = ["/api/encode", "/api/decode", "/api/judge", "/api/animation", "/api/latent", "/api/model", "/api/examples"]
PATHS += ["/healthz", "/", "/api/nothing"]
PATHS += ["/static/../../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static//etc/passwd", "/static/%00", "//"]
TYPES = [
    *FORMATS.values(),
    "application/octet-stream",
    "application/json",
    "multipart/form-data; boundary=x",
    "image/*",
]
TYPES += ["", "text/html", "image/svg+xml", "image/png\x7f"]
VALUES = ["", "0", "1", "-1", "1e9", "nan", "inf", "9" * 5000, "../../etc/passwd", "%00", "spherical", "٣", "1_0", "x"]
NAMES = ["seed", "temperature", "label", "align", "frames", "path", "nothing"]


@dataclass(frozen=True)
class Request:
    """A random malformed request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def request(rng: random.Random, num_dims: int) -> Request:
    """A random malformed request to a model with some number of dimensions."""
    if rng.random() < 0.2:
        return Request(rng.choice(METHODS), rng.choice(PATHS) + _query(rng), {}, b"")
    if rng.random() < 0.5:
        kind = rng.choice(TYPES) if rng.random() < 0.2 else rng.choice(list(FORMATS.values()))
        return Request("POST", "/api/encode" + _query(rng), {"Content-Type": kind}, rng.choice(IMAGES)(rng))
    path = rng.choice(["/api/decode", "/api/judge", "/api/animation"])
    kind = rng.choice(TYPES) if rng.random() < 0.2 else "application/octet-stream"
    return Request("POST", path + _query(rng), {"Content-Type": kind}, _latents(rng, num_dims))


def _query(rng: random.Random) -> str:
    if rng.random() < 0.6:
        return ""
    return "?" + "&".join(f"{rng.choice(NAMES)}={rng.choice(VALUES)}" for _ in range(rng.randint(1, 3)))


def _latents(rng: random.Random, num_dims: int) -> bytes:
    """A body of numbers of random length and size. About a third are valid."""
    count = rng.choice([num_dims, num_dims, 2 * num_dims, 0, 1, num_dims - 1, 20 * num_dims])
    numbers = np.random.default_rng(rng.getrandbits(32)).standard_normal(count)
    worst = rng.choice([1, 1, 1e6, 1e30, np.nan, np.inf])
    with np.errstate(all="ignore"):
        body = (numbers * worst).astype(rng.choice(["<f4", "<f8"])).tobytes()
    return body[: -rng.choice([1, 3])] if rng.random() < 0.1 else body


@cache
def _valid(kind: str, width: int, height: int, mode: str) -> bytes:
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


def valid(rng: random.Random) -> bytes:
    """A valid image."""
    kind = rng.choice(list(FORMATS))
    mode = rng.choice(["RGB", "L", "RGBA", "P", "1"] if kind == "png" else ["RGB"])
    return _valid(kind, rng.choice([1, 7, 40, 300]), rng.choice([1, 7, 40, 300]), mode)


def _truncated(rng: random.Random) -> bytes:
    content = valid(rng)
    return content[: rng.randrange(len(content))]


def _damaged(rng: random.Random) -> bytes:
    content = bytearray(valid(rng))
    for _ in range(rng.randint(1, 20)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def _polyglot(rng: random.Random) -> bytes:
    """An image with other data before, behind or inside it."""
    other = rng.choice(
        [b"<script>alert(1)</script>", b"PK\x03\x04" + bytes(60), b"%PDF-1.7\n", b"#!/bin/sh\n", b"\x80\x04."]
    )
    content = valid(rng)
    place = rng.choice([0, len(content), len(content) // 2])
    return content[:place] + other + content[place:]


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 10, 1000, 100_000]))


def _json(rng: random.Random) -> bytes:
    """Large or deeply nested JSON."""
    return rng.choice([b'{"image": "' + b"A" * 1_000_000 + b'"}', b"[" * 200_000 + b"]" * 200_000, b"{}"])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@cache
def bomb(side: int) -> bytes:
    """A square black PNG, which compresses a thousandfold."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(min(side, 30_000))) + packer.flush()
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _png_bomb(rng: random.Random) -> bytes:
    """An image that is mostly too large, and sometimes as large as is allowed."""
    return bomb(rng.choice([6_000, 15_000, 30_000, 4_900]))


def _text_bomb(_: random.Random) -> bytes:
    return text_bomb_content()


@cache
def text_bomb_content() -> bytes:
    """A PNG with a text that unpacks to 200 MB."""
    packer = zlib.compressobj(9)
    text = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    plain = _valid("png", 40, 40, "RGB")
    return plain[:33] + _chunk(b"zTXt", b"Comment\x00\x00" + text) + plain[33:]


def _claimed(rng: random.Random) -> bytes:
    """An image whose header claims more pixels than follow."""
    side = rng.choice([16_383, 65_535])
    return rng.choice(
        [
            b"GIF89a" + struct.pack("<HH", side, side) + bytes(20),
            b"BM" + struct.pack("<IIIIiiHH", 100, 0, 54, 40, side, -side, 1, 24) + bytes(60),
            b"RIFF"
            + struct.pack("<I", 30)
            + b"WEBPVP8X"
            + struct.pack("<I", 10)
            + bytes(4)
            + b"\xfe\x3f\x00\xfe\x3f\x00",
            b"II*\x00\x08\x00\x00\x00" + rng.randbytes(200),
            b"\xff\xd8\xff\xe0" + rng.randbytes(300),
        ]
    )


IMAGES: list[Callable[[random.Random], bytes]] = [
    *[valid, _truncated, _damaged, _polyglot] * 5,
    *[_noise, _json, _claimed] * 3,
    _png_bomb,
    _text_bomb,
]
