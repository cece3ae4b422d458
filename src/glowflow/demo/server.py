"""The application: it turns images into latents and latents into pictures, serves the page, and keeps no request."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from math import isfinite
from typing import Any, TypeVar, TypeVarTuple, get_args

import torch
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from torch import Tensor

from glowflow.data import Dataset
from glowflow.data.image_file import MODES
from glowflow.data.value_range import UNKNOWN, Range
from glowflow.demo import examples as begin_with
from glowflow.demo import requests, uploads
from glowflow.demo.about import about, tolerated, usual_range
from glowflow.demo.alignment import FaceFinder, face_finder
from glowflow.demo.answers import HANDLERS, Json
from glowflow.demo.engine import Engine
from glowflow.demo.guard import Guard
from glowflow.demo.rendering import colour_scale, heat_map, png, webp
from glowflow.export.runtime import Decode
from glowflow.latents import Directions, interpolate, paths
from glowflow.model import Glow
from glowflow.scoring.heat import Heat
from glowflow.scoring.reference import Reference

SECONDS = 60.0
"""The time for an answer, counted from the request's beginning. A slow model has longer: see `deadline`."""
MOST_HELD = 256_000_000
"""The most bytes of uploads that arrive or wait to be decoded. A slow upload blocks nobody: it only holds bytes."""
MOST_FRAMES = 48
FRAMES_AT_ONCE = 8
BINARY = "application/octet-stream"
EXCESS, COMPARED = "Glowflow-Excess", "Glowflow-Compared"
"""Headers of an unusual picture."""
PATHS: tuple[paths.Path, ...] = get_args(paths.Path)

HERE = files("glowflow.demo")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")
Endpoint = Callable[[Request], Awaitable[Response]]


def application(  # noqa: PLR0913, PLR0917 (facts about a model)
    glow: Glow,
    name: str,
    directions: Directions | None = None,
    usual: Mapping[str, Any] | None = None,
    hosts: frozenset[str] | None = None,
    value_ranges: Mapping[str, Range] = UNKNOWN,
    draw: Decode | None = None,
    *,
    reference: Reference | None = None,
    examples: Dataset | None = None,
) -> Guard:
    """The demo of a model, as an ASGI application.

    Args:
        glow: The model in its inference form.
        name: The model's name on the page.
        directions: The directions of its sliders. Without them, the page has no slider until a visitor makes one.
        usual: The bits/dim of images like those of its training (`StoredModel.usual`), if it's known.
        hosts: See `Guard`.
        value_ranges: The value ranges of the training images (`StoredModel.value_ranges`).
        draw: What draws previews (`previews.choose`); by default the model itself.
        reference: What is usual for the model, if it's known. Without it, images are judged by their bits/dim alone.
        examples: Images to begin with. Without them, the page begins with a random image.
    """
    engine = Engine(glow, draw, reference)
    demo = Demo(engine, name, directions, usual or {}, face_finder(), value_ranges, examples=examples)
    app = Starlette(
        routes=[*demo.routes(), *_page_routes()],
        exception_handlers=HANDLERS,
        lifespan=demo.lifespan,
    )
    app.router.redirect_slashes = False
    return Guard(app, hosts)


class Demo:
    """The endpoints. Errors are `{"error": sentence}`; openapi.json describes them all.

    The arguments are those of `application`, with the model's engine, and a finder of faces or None.
    """

    def __init__(  # noqa: PLR0913, PLR0917 (as `application`)
        self,
        engine: Engine,
        name: str,
        directions: Directions | None,
        usual: Mapping[str, Any],
        finder: FaceFinder | None = None,
        value_ranges: Mapping[str, Range] = UNKNOWN,
        *,
        examples: Dataset | None = None,
    ) -> None:
        self.engine = engine
        self.glow = engine.glow
        self.directions = directions
        self.finder = finder
        self._range, self._tolerated = usual_range(directions, usual), tolerated(directions)
        self.value_ranges = value_ranges
        self._about = about(self.glow, name, directions, usual)
        self._openapi = (HERE / "openapi.json").read_bytes()
        self._examples = begin_with.described(examples, self.glow)
        self._room = requests.Room(MOST_HELD)
        self._pillow = ThreadPoolExecutor(1, "pillow")  # one picture at a time, and one heap for the memory of all

    def routes(self) -> list[Route]:
        """The address of each endpoint."""
        get: dict[str, Endpoint] = {"/healthz": self.health, "/openapi.json": self.openapi, "/api/model": self.model}
        get |= {"/api/examples": self.examples, "/api/directions": self.vectors, "/api/latent": self.latent}
        post: dict[str, Endpoint] = {
            "/api/encode": self.encode,
            "/api/decode": self.decode,
            "/api/judge": self.judge,
            "/api/animation": self.animation,
        }
        return [
            *(Route(path, endpoint, methods=["GET"]) for path, endpoint in get.items()),
            *(Route(path, self._in_time(endpoint), methods=["POST"]) for path, endpoint in post.items()),
        ]

    def _in_time(self, endpoint: Endpoint) -> Endpoint:
        """Make an endpoint answer before its deadline, whatever it waits for."""

        async def answer(request: Request) -> Response:
            seconds = deadline(self.engine.seconds_per_picture)
            try:
                async with asyncio.timeout(seconds):
                    return await endpoint(request)
            except TimeoutError:
                raise HTTPException(
                    504, f"The answer took longer than {seconds:.0f} seconds.", requests.CLOSE
                ) from None

        return answer

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Warm the model up when the server starts, and end the threads when it stops."""
        await run_in_threadpool(self.engine.warm_up)
        yield
        self.engine.close()
        self._pillow.shutdown(cancel_futures=True)

    async def health(self, _: Request) -> Response:
        """Confirm that the server answers."""
        return Json({"status": "ok"})

    async def openapi(self, _: Request) -> Response:
        """The description of the endpoints."""
        return Response(self._openapi, media_type="application/json")

    async def model(self, _: Request) -> Response:
        """The facts that a page needs about the model."""
        facts = {
            **self._about,
            "finds_faces": self.finder is not None,
            "limits": {"bytes": uploads.MOST_BYTES, "types": list(uploads.FORMATS), "frames": MOST_FRAMES},
        }
        return Json(facts)

    async def examples(self, _: Request) -> Response:
        """Images to begin with."""
        return Json(self._examples)

    async def vectors(self, _: Request) -> Response:
        """The directions, float32 (A, D)."""
        vectors = self.directions.vectors if self.directions else torch.empty(0)
        return Response(_bytes(vectors, "<f4"), media_type=BINARY)

    async def latent(self, request: Request) -> Response:
        """Random latents, float32 (D,), which follow from the seed and the temperature."""
        generator = torch.Generator().manual_seed(requests.whole(request, "seed", 0, 0, 2**63 - 1))
        temperature = requests.number(request, "temperature", 1.0, 0.0, 10.0)
        eps = torch.randn(self.glow.config.num_dims, generator=generator)
        return Response(_bytes(temperature * eps, "<f4"), media_type=BINARY)

    async def encode(self, request: Request) -> Response:
        """An image's latents, and measurements of the image."""
        label = requests.label(request, self.glow)
        if self.glow.config.image_shape[0] not in MODES:
            raise HTTPException(422, f"No image file has this model's {self.glow.config.image_shape[0]} channels.")
        finder = self.finder if requests.choice(request, "align", ("0", "1")) == "1" else None
        image, has_face = await self._uploaded(request, finder)
        encoded = await self.engine.encode(image, label)
        if not encoded.z.isfinite().all():
            raise HTTPException(422, "The model can't encode this image: its latents would be infinite.")
        answer = {
            "latents": base64.b64encode(_bytes(encoded.z, "<f8")).decode(),
            "image": base64.b64encode(png(encoded.image)).decode(),
            "bits_per_dim": _finite(encoded.bits_per_dim),
            "p_value": encoded.p_value,
            "exact": encoded.is_exact,
            "face_found": has_face,
        }
        return Json(answer)

    async def decode(self, request: Request) -> Response:
        """The picture of latents: exact for float64, with headers if it's unusual, and a little faster for float32."""
        label, z = requests.label(request, self.glow), await self._latents(request)
        if z.dtype == torch.float32:
            return Response(png(await self.engine.preview(z, label)), media_type="image/png")
        image = await self.engine.decode(z, label)
        return Response(png(image), headers=await self._unusual(image, label), media_type="image/png")

    async def judge(self, request: Request) -> Response:
        """How usual the exact picture of latents is, with a heat map."""
        label, z = requests.label(request, self.glow), await self._latents(request)
        judged = await self.engine.judge(await self.engine.decode(z, label), label)
        found = {"bits_per_dim": _finite(judged.bits_per_dim), "p_value": judged.p_value}
        return Json(found | {"map": None if judged.heat is None else _map(judged.heat)})

    async def animation(self, request: Request) -> Response:
        """An animation from one picture to another and back. The body has the latents of both, one after the other."""
        label, num_dims = requests.label(request, self.glow), self.glow.config.num_dims
        frames = requests.whole(request, "frames", 24, 2, MOST_FRAMES)
        path = requests.choice(request, "path", PATHS)
        ends = requests.latents(await requests.body(request, (BINARY,), 16 * num_dims), 2 * num_dims)
        first, last = ends.chunk(2)
        images = await self._decoded(interpolate(first, last, frames, path), label)
        return Response(await self._pictured(webp, images), media_type="image/webp")

    async def _latents(self, request: Request) -> Tensor:
        """The latents (D,) in a request's body, float32 or float64."""
        num_dims = self.glow.config.num_dims
        return requests.latents(await requests.body(request, (BINARY,), 8 * num_dims), num_dims)

    async def _unusual(self, image: Tensor, label: int | None) -> dict[str, str]:
        """Headers for a picture outside the usual range: how far outside (`Usual.excess`), as a number and in words."""
        if self._range is None:
            return {}
        seen = await self.engine.look(image, label)
        excess = self._range.excess(seen)
        if excess <= self._tolerated:
            return {}
        return {EXCESS: f"{excess:.3f}", COMPARED: self._range.compared(seen)}

    async def _uploaded(self, request: Request, finder: FaceFinder | None) -> tuple[Tensor, bool]:
        with self._room.share() as take:
            body = await requests.body(request, uploads.FORMATS, uploads.MOST_BYTES, take)
            kind = requests.content_type(request)
            shape = self.glow.config.image_shape
            return await self._pictured(uploads.read, body, kind, shape, finder, self.value_ranges)

    async def _pictured(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        """Run work of Pillow on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pillow, work, *arguments)

    async def _decoded(self, points: Tensor, label: int | None) -> list[Tensor]:
        """Decode latents (N, D) a few at a time, so that others get their turns."""
        images: list[Tensor] = []
        for part in points.split(FRAMES_AT_ONCE):
            images += await asyncio.gather(*(self.engine.preview(z, label) for z in part))
        return images


def _page_routes() -> list[Route]:
    """Routes to the page's files, which are read once, so that no request reaches the disk."""
    page = {path.name: path.read_bytes() for path in (HERE / "page").iterdir()}
    static = [Route(f"/static/{name}", _file(name, content)) for name, content in page.items()]
    return [Route("/", _file("index.html", page["index.html"])), *static]


def _file(name: str, content: bytes) -> Endpoint:
    kind = TYPES[name[name.rindex(".") :]]

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def deadline(seconds_per_picture: float) -> float:
    """Seconds for an answer, given the model's time for a picture: enough for twice the longest animation."""
    return max(SECONDS, 2 * MOST_FRAMES * seconds_per_picture)


def _map(heat: Heat) -> dict[str, Any]:
    """A heat map as JSON."""
    return {
        "heat": base64.b64encode(heat_map(heat)).decode(),
        "scale": base64.b64encode(colour_scale()).decode(),
        "ends": heat.ends,
        "caption": heat.caption,
    }


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None


def _bytes(numbers: Tensor, kind: str) -> bytes:
    return numbers.numpy().astype(kind).tobytes()
