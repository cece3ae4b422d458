"""The digest of a model, which compressed images carry."""

from hashlib import blake2b

import numpy as np
from torch import nn

SIZE = 16
"""Bytes of a digest."""


def digest(model: nn.Module, stream: bytes = b"") -> bytes:
    """The digest of a model's weights, and of the stream that its integer form has made of a known image.

    The weights tell models apart. The stream tells if the integer form computes something else than it did before.
    Without a stream, this is the digest of the weights alone.
    """
    total = blake2b(stream, digest_size=SIZE)
    for name, tensor in sorted(model.state_dict().items()):
        values = np.ascontiguousarray(tensor.detach().cpu().double().numpy(), "<f8")
        total.update(f"{name} {values.shape};".encode())
        total.update(values.tobytes())
    return total.digest()
