"""The command that serves the web page."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.examples import check_examples, examples_of, number_of_examples
from glowflow.commands.inputs import opened
from glowflow.errors import InputError
from glowflow.packages import imported
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.latents import Directions
    from glowflow.scoring.reference import Reference
    from glowflow.stored import StoredModel

NAME = r"[\w-]+(\.[\w-]+)*"
"""The name of a host."""


def demo(
    model: str = "faces",
    host: str = "127.0.0.1",
    port: int = 8000,
    behind: str | None = None,
    examples: int | None = None,
    device: str | None = None,
) -> None:
    """Serve a web page for drawing, editing and blending images.

    Example: glowflow demo runs/faces32

    Args:
        model: A run's directory, a directory made by save_pretrained, a name on the hub, or a model that comes with
            glowflow; by default its faces.
        host: The address to serve at. By default only this machine can reach it; with 0.0.0.0, every machine can.
        port: The port to serve at; 0 takes any that's free.
        behind: The host name of a proxy in front of the page, such as hub.example.org, if the proxy passes this name on
            with requests, as Jupyter's does. By default the page answers only to the names of this machine.
        examples: The number of test images that the page offers as starting points. They come from the data that the
            model was trained on, if it's on this machine. Every visitor can see them. With 0 the page begins with a
            random image. By default it's 24, or 0 if the images are yours and others can reach the page.
    """
    from glowflow.demo import previews

    serving = imported("glowflow.demo.serving", "The page", "demo")
    server = imported("glowflow.demo.server", "The page", "demo")
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}; it takes a whole number from 0 to 65535.")
    check_examples(examples or 0)
    if behind is not None and not re.fullmatch(NAME, behind):
        raise InputError(f"--behind is {behind!r}; it takes the name of a host alone, such as hub.example.org.")
    with serving.listening(host, port) as listener:
        serving.leave_a_core()
        stored, glow = opened(model, device)
        draw, reason = previews.choose(glow)
        is_private = serving.is_local(listener) and behind is None
        images = examples_of(stored, glow, number_of_examples(examples, stored, is_private=is_private))
        app = server.application(
            glow,
            name_of(model),
            directions_of(stored),
            stored.usual,
            serving.hosts(listener, host, behind),
            stored.value_ranges,
            draw,
            reference=_reference_of(stored),
            examples=images,
        )
        say(f"{model} is at {serving.url(listener)} (Ctrl-C ends it). {reason}".rstrip())
        serving.serve(app, listener)


def name_of(model: str) -> str:
    """The name of a model on the page: that of its directory, or of its run for a checkpoint."""
    path = Path(model).resolve() if Path(model).exists() else Path(model)
    return path.parent.name if path.name in {"best", "last", "previous"} else path.name


def directions_of(stored: "StoredModel") -> "Directions | None":
    """The directions of a model, if there are any that fit; the page works without them."""
    from glowflow.latents import Directions

    try:
        return Directions.load(stored)
    except InputError as error:
        say(f"The page has no sliders. {error}")
        return None


def _reference_of(stored: "StoredModel") -> "Reference | None":
    """What is usual for a model, if that can be used; the page then judges images by more than their bits/dim."""
    from glowflow.scoring.reference import Reference

    try:
        return Reference.load(stored)
    except InputError as error:
        say(f"The page judges images by their bits/dim alone. {error}")
        return None
