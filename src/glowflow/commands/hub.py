"""The command that uploads a model."""

from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.inputs import device_named, print_rows

if TYPE_CHECKING:
    from glowflow.card import Result
    from glowflow.config import GlowConfig


def push(
    model: str,
    name: str,
    license: str | None = None,  # noqa: A002 (the usual word)
    private: bool = False,
    results: Path | None = None,
    device: str | None = None,
) -> None:
    """Upload a model to the Hugging Face hub, with a card that describes it and a picture of images that it drew.

    Example: glowflow push runs/mine you/faces --license mit

    Args:
        name: OWNER/NAME on the hub, where OWNER is you or your organisation. A model that is there is replaced.
        license: The licence that you give the weights, as the hub names it: mit, cc-by-4.0 and so on. Without it, the
            card says that the model has none.
        private: Let only the owner see the model's new page.
        results: A file that `glowflow evaluate --json` wrote for this model. The card then reports its result, too.
        device: cpu, cuda or mps, to draw the picture on; the best one present by default.
    """
    from dataclasses import replace

    from glowflow import hub
    from glowflow.evaluate import sample
    from glowflow.model import Glow
    from glowflow.stored import StoredModel

    hub.check(name)
    stored = StoredModel.open(model)
    glow = Glow.from_pretrained(stored, device_named(device))
    card = glow.card(stored)
    more = [_measured(results, glow.config)] if results else []
    card = replace(card, name=name, license_id=license, results=[*card.results, *more])
    images = sample(glow.freeze(), hub.SHOWN, hub.TEMPERATURE)
    page = hub.push(stored.directory, card, images, private=private, reference=stored.reference)
    print_rows({"pushed": page, "licence": license or "none; --license gives one"})


def _measured(path: Path, config: "GlowConfig") -> "Result":
    """Read a result of `glowflow evaluate`, and refuse that of another model."""
    from glowflow.card import Result
    from glowflow.durable import load_json
    from glowflow.errors import InputError

    content = load_json(path)
    result = Result.read(content, path)
    if (content.get("image_shape"), content.get("num_bits")) != (list(config.image_shape), config.num_bits):
        raise InputError(f"{path} is the result of another model: its images differ in size or in bits per channel.")
    return result
