"""What the exported page runs of a model: its functions, and one more that shows where an image is unusual."""

import torch
from torch import Tensor

from glowflow.export.functions import Function, Functions, functions
from glowflow.images import BIN_CENTRE
from glowflow.model import Glow
from glowflow.scoring.bits import latents_by_pixel
from glowflow.scoring.where import UsualBits


def with_map(usual: UsualBits | None) -> Functions:
    """The exported functions of a model, with `where` if the bits of usual images are known.

    `where` gives the excess (B, H, W) of images, as `UsualBits.excess` does.
    """

    def made(model: Glow) -> dict[str, Function]:
        found = functions(model)
        if usual is None:
            return found

        def excess(images: Tensor, labels: Tensor | None = None) -> Tensor:
            noise = torch.full((1, *images.shape[1:]), BIN_CENTRE).expand(images.shape)
            return usual.excess_of(latents_by_pixel(model, images, noise, labels))

        return found | {"where": Function(found["encoder"].inputs, "excess", excess)}

    return made
