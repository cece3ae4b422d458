"""The demo's server is exact, serves many clients, and withstands malformed requests."""

import asyncio
import base64
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
import uvicorn
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import Message
from torch import Tensor

from benchmarks import hostile
from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.data import Dataset, load
from glowflow.demo import engine, examples, guard, requests, server, serving
from glowflow.demo.alignment import face_finder
from glowflow.demo.engine import BusyError, Engine
from glowflow.evaluate import scores
from glowflow.images import quantize
from glowflow.latents import Directions, Usual, interpolate, look
from glowflow.scoring.codecs import WEBP
from glowflow.scoring.colours import coloured
from glowflow.scoring.columns import columns
from glowflow.scoring.heat import heats
from glowflow.scoring.reference import Reference
from glowflow.scoring.statistics import statistics
from glowflow.scoring.where import bits_by_pixel
from glowflow.training.run import read_config
from tests.helpers import randomize

SHAPE = (3, 16, 12)
D = 3 * 16 * 12
BINARY = {"Content-Type": "application/octet-stream"}
USUAL = {"data": "noise", "images": 9, "bits_per_dim": {"1%": 4.0, "50%": 5.0, "99%": 6.0}}


def tiny(**settings: object) -> Glow:
    torch.manual_seed(0)
    config = GlowConfig(**{"image_shape": SHAPE, "steps": 2, "width": 8, "num_bits": 5, **settings})  # type: ignore[arg-type]
    return randomize(Glow(config), 0.1)


@pytest.fixture(scope="module", name="glow")
def _glow() -> Glow:
    return tiny().freeze()


@pytest.fixture(scope="module", name="directions")
def _directions() -> Directions:
    vectors = torch.randn(2, D, generator=torch.Generator().manual_seed(1))
    return Directions(("Mouth_Open", "Hat"), vectors, ({"with": 3}, {"with": 4}))


@pytest.fixture(scope="module", name="client")
def _client(glow: Glow, directions: Directions) -> Iterator[TestClient]:
    with TestClient(server.application(glow, "tiny", directions, USUAL)) as client:
        yield client


def file_of(pixels: NDArray[np.uint8], kind: str = "png", **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def post_image(client: TestClient, content: bytes, kind: str = "image/png", query: str = "") -> dict[str, object]:
    answer = client.post(f"/api/encode{query}", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    return answer.json()


def seen(answer: dict[str, object]) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(base64.b64decode(str(answer["image"])))))


def post_latents(client: TestClient, z: Tensor, query: str = "") -> NDArray[np.uint8]:
    answer = client.post(f"/api/decode{query}", content=z.numpy().tobytes(), headers=BINARY)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(BytesIO(answer.content)))


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


# What it answers


def test_the_model_is_described(client: TestClient, glow: Glow) -> None:
    about = client.get("/api/model").json()
    assert about["image_shape"] == list(SHAPE)
    assert about["latent_shapes"] == [list(shape) for shape in glow.config.latent_shapes]
    assert about["num_bits"] == 5
    assert about["num_parameters"] == sum(p.numel() for p in tiny().parameters())
    assert about["attributes"] == [{"name": "Mouth_Open", "with": 3}, {"name": "Hat", "with": 4}]
    assert about["usual"] == USUAL
    assert about["takes_images"] is True
    assert client.get("/healthz").json() == {"status": "ok"}


def test_opposite_directions_are_told(glow: Glow) -> None:
    first, second, noise = torch.randn(3, D, generator=torch.Generator().manual_seed(1))
    vectors = torch.stack([first, second, -3 * first + 0.01 * noise, -first + second])
    directions = Directions(("with", "hat", "without", "half"), vectors, ({}, {}, {}, {}))
    with TestClient(server.application(glow, "tiny", directions)) as client:
        about = client.get("/api/model").json()["attributes"]
    assert [attribute.get("opposite") for attribute in about] == ["without", None, "with", None]


def test_directions_come_as_they_are(client: TestClient, directions: Directions) -> None:
    content = client.get("/api/directions").content
    np.testing.assert_array_equal(np.frombuffer(content, "<f4").reshape(2, D), directions.vectors.numpy())


def test_random_latents_are_a_function_of_the_seed(client: TestClient) -> None:
    content = client.get("/api/latent?seed=7&temperature=0.5").content
    expected = 0.5 * torch.randn(D, generator=torch.Generator().manual_seed(7))
    np.testing.assert_array_equal(np.frombuffer(content, "<f4"), expected.numpy())
    assert client.get("/api/latent?seed=8&temperature=0.5").content != content


def test_an_image_comes_back_exactly(client: TestClient, glow: Glow) -> None:
    pixels = noise(16, 12, 3)
    answer = post_image(client, file_of(pixels))
    expected = quantize(torch.from_numpy(pixels), 5).numpy()
    assert answer["exact"] is True
    assert answer["face_found"] is False
    np.testing.assert_array_equal(seen(answer), expected)
    z = torch.frombuffer(bytearray(base64.b64decode(str(answer["latents"]))), dtype=torch.float64)
    torch.testing.assert_close(z, glow.encode(as_tensor(pixels)[None])[0], rtol=0, atol=1e-10)
    np.testing.assert_array_equal(post_latents(client, z), expected)


def test_bits_per_dim_are_those_of_evaluate(client: TestClient, glow: Glow) -> None:
    pixels = noise(16, 12, 3)
    (expected,) = scores(glow, Dataset("one", "test", pixels[None]))
    assert post_image(client, file_of(pixels))["bits_per_dim"] == pytest.approx(expected, rel=1e-6)


def test_both_precisions_are_the_models(client: TestClient, glow: Glow) -> None:
    z = torch.randn(D, generator=torch.Generator().manual_seed(0))
    exact = glow.decode(z.double()[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(post_latents(client, z.double()), exact)
    assert (post_latents(client, z) == exact).mean() > 0.999


def test_a_settled_picture_that_is_unusual_says_so(glow: Glow) -> None:
    """The directions' range decides, or else the training's. Nothing is reported while a slider moves."""
    z = torch.randn(D, generator=torch.Generator().manual_seed(0))
    (seen,) = look(glow, glow.decode(z.double()[None]))
    inside, outside = (seen.bits_per_dim + more for more in (0.1, -0.1))
    for highest, range_of in ((outside, "directions"), (outside, "training"), (inside, "directions")):
        usual = {"bits_per_dim": {"1%": 0.0, "50%": highest - 1, "99%": highest}} if range_of == "training" else {}
        measured = Usual(highest - 1, highest) if range_of == "directions" else None
        directions = Directions(("Hat",), torch.zeros(1, D), ({"tried": {}},), measured)
        with TestClient(server.application(glow, "tiny", directions, usual)) as client:
            moving, settled = (
                client.post("/api/decode", content=latents.numpy().tobytes(), headers=BINARY).headers
                for latents in (z, z.double())
            )
        assert "Glowflow-Excess" not in moving
        if highest == inside:
            assert "Glowflow-Excess" not in settled
        else:
            assert float(settled["Glowflow-Excess"]) == pytest.approx(0.1, abs=0.01)
            assert f"where at most {highest:.2f} are usual" in settled["Glowflow-Compared"]


def test_directions_that_were_never_tried_tell_of_what_fell_apart_alone(glow: Glow) -> None:
    """A classifier chose the lengths of such directions, as it did for the bundled faces."""
    z = torch.randn(D, generator=torch.Generator().manual_seed(0)).double()
    (seen,) = look(glow, glow.decode(z[None]))
    for beyond, is_told in ((0.5, False), (1.5, True)):
        measured = Usual(seen.bits_per_dim - beyond - 1, seen.bits_per_dim - beyond)
        directions = Directions(("Hat",), torch.zeros(1, D), ({},), measured)
        with TestClient(server.application(glow, "tiny", directions, {})) as client:
            headers = client.post("/api/decode", content=z.numpy().tobytes(), headers=BINARY).headers
        assert ("Glowflow-Excess" in headers) == is_told


def png_in(answer: dict[str, object], name: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(base64.b64decode(str(answer[name])))))


def test_an_image_is_judged_as_by_the_library(glow: Glow) -> None:
    usual, pixels = Dataset("noise", "validation", noise(120, 16, 12, 3)), noise(16, 12, 3)
    reference = Reference.of(statistics(glow, usual, [WEBP]), [WEBP], "noise")
    with TestClient(server.application(glow, "tiny", reference=reference)) as client:
        read = post_image(client, file_of(pixels))
        z = base64.b64decode(str(read["latents"]))
        judged = client.post("/api/judge", content=z, headers=BINARY).json()
    one = Dataset("one", "test", pixels[None])
    table = columns(statistics(glow, one, [WEBP]), reference)
    assert read["p_value"] == judged["p_value"] == table["p_value"][0]
    assert read["bits_per_dim"] == pytest.approx(judged["bits_per_dim"], abs=1e-5)
    assert judged["bits_per_dim"] == pytest.approx(table["bits_per_dim"][0], abs=1e-5)
    (bits,) = next(bits_by_pixel(glow, one, [0])).total.numpy()
    assert judged["map"]["caption"] == "bits of each pixel"
    np.testing.assert_allclose(judged["map"]["ends"], [bits.min(), bits.max()])
    heat, scale = png_in(judged["map"], "heat"), png_in(judged["map"], "scale")
    assert (heat.shape, scale.shape) == ((16, 12, 3), (1, 256, 3))
    np.testing.assert_array_equal(heat[np.unravel_index(bits.argmax(), bits.shape)], scale[0, -1])
    np.testing.assert_array_equal(heat[np.unravel_index(bits.argmin(), bits.shape)], scale[0, 0])


def test_the_map_compares_the_picture_with_usual_images(glow: Glow) -> None:
    usual, pixels = Dataset("noise", "validation", noise(120, 16, 12, 3)), noise(16, 12, 3) // 4
    reference = Reference.learned(glow, usual, [WEBP])
    assert reference.where is not None
    with TestClient(server.application(glow, "tiny", reference=reference)) as client:
        z = base64.b64decode(str(post_image(client, file_of(pixels))["latents"]))
        judged = client.post("/api/judge", content=z, headers=BINARY).json()
    ((_, expected),) = heats(glow, Dataset("one", "test", pixels[None]), [0], reference.where)
    assert judged["map"]["caption"] == expected.caption == "deviations above usual bits"
    np.testing.assert_allclose(judged["map"]["ends"], expected.ends)
    np.testing.assert_array_equal(png_in(judged["map"], "heat"), coloured(expected.shares))


def test_a_slow_model_has_no_maps(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SLOWEST_MAP", 0.0)
    with TestClient(server.application(glow, "tiny")) as client:
        judged = client.post("/api/judge", content=bytes(4 * D), headers=BINARY).json()
    assert judged["map"] is None
    assert judged["bits_per_dim"] > 0


def test_without_a_reference_there_is_no_p_value(client: TestClient) -> None:
    assert post_image(client, PNG)["p_value"] is None
    z = torch.zeros(D)
    assert client.post("/api/judge", content=z.numpy().tobytes(), headers=BINARY).json()["p_value"] is None


def test_examples_are_as_the_model_sees_them(client: TestClient, glow: Glow) -> None:
    assert client.get("/api/examples").json() == {"images": []}
    pixels = noise(3, 16, 12, 3)
    few = Dataset("noise", "test", pixels, np.array([1, 0, 1]), ("a", "b"))
    for model, expected in ((glow, [None, None, None]), (tiny(num_classes=2).freeze(), [1, 0, 1])):
        with TestClient(server.application(model, "tiny", examples=few)) as other:
            images = other.get("/api/examples").json()["images"]
        assert [image["label"] for image in images] == expected
        assert len({image["digest"] for image in images}) == 3
        found = np.stack([png_in(image, "image") for image in images])
        np.testing.assert_array_equal(found, quantize(torch.from_numpy(pixels), 5))


def test_examples_are_few_bytes() -> None:
    many = Dataset("noise", "test", noise(40, 128, 128, 3))
    images = examples.described(many, tiny(num_bits=8))["images"]
    assert 15 < len(images) < 40
    assert sum(len(base64.b64decode(image["image"])) for image in images) <= examples.MOST_BYTES
    assert examples.described(Dataset("five", "test", noise(2, 8, 8, 5)), tiny()) == {"images": []}


def test_an_animation_goes_there_and_back(client: TestClient, glow: Glow) -> None:
    ends = torch.randn(2, D, generator=torch.Generator().manual_seed(0))
    content = ends.numpy().tobytes()
    answer = client.post("/api/animation?frames=5&path=spherical", content=content, headers=BINARY)
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(BytesIO(answer.content)) as animation:
        assert (animation.n_frames, animation.info["loop"]) == (8, 0)  # type: ignore[attr-defined]
        middle = interpolate(ends[0], ends[1], 5, "spherical")[2]
        animation.seek(2)
        expected = Image.fromarray(glow.decode(middle[None])[0].permute(1, 2, 0).numpy())
        large = np.asarray(expected.resize(animation.size, Image.Resampling.BICUBIC), float)
        assert np.abs(np.asarray(animation.convert("RGB"), float) - large).mean() < 12


def test_a_class_conditional_model_takes_labels() -> None:
    glow = tiny(num_classes=2).freeze()
    with TestClient(server.application(glow, "classes")) as client:
        z, y = torch.randn(D, dtype=torch.float64), torch.tensor([1])
        assert client.get("/api/model").json()["class_names"] == ["0", "1"]
        expected = glow.decode(z[None], y)[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(post_latents(client, z, "?label=1"), expected)
        assert (post_latents(client, z, "?label=0") != expected).any()
        assert post_image(client, file_of(noise(16, 12, 3)), query="?label=1")["exact"]
        for query in ("", "?label=2", "?label=-1", "?label=x"):
            answer = client.post(f"/api/decode{query}", content=z.numpy().tobytes(), headers=BINARY)
            assert answer.status_code == 400
            assert "label" in answer.json()["error"]


def test_a_model_without_directions_or_usual_channels() -> None:
    glow = tiny(image_shape=(5, 4, 4)).freeze()
    with TestClient(server.application(glow, "odd")) as client:
        about = client.get("/api/model").json()
        assert (about["attributes"], about["usual"], about["takes_images"]) == ([], {}, False)
        assert client.get("/api/directions").content == b""
        assert post_latents(client, torch.zeros(80)).shape == (4, 4, 3)
        answer = client.post("/api/encode", content=file_of(noise(4, 4, 3)), headers={"Content-Type": "image/png"})
        assert answer.status_code == 422


def test_grey_images(glow: Glow) -> None:
    glow = tiny(image_shape=(1, 8, 8)).freeze()
    with TestClient(server.application(glow, "grey")) as client:
        assert seen(post_image(client, file_of(noise(9, 9, 3)))).shape == (8, 8)
        content = torch.zeros(2, 64).numpy().tobytes()
        assert client.post("/api/animation", content=content, headers=BINARY).status_code == 200


# What is uploaded


def test_images_of_every_kind(client: TestClient) -> None:
    pixels = noise(32, 24, 3)
    reference = seen(post_image(client, file_of(pixels)))
    for kind in ("webp", "bmp", "tiff"):
        options = {"lossless": True} if kind == "webp" else {}
        np.testing.assert_array_equal(
            seen(post_image(client, file_of(pixels, kind, **options), f"image/{kind}")), reference
        )
    for kind in ("jpeg", "gif"):
        assert seen(post_image(client, file_of(pixels, kind), f"image/{kind}")).shape == reference.shape


def test_orientation_opacity_grey_and_depth(client: TestClient) -> None:
    pixels = noise(32, 24, 3)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = seen(post_image(client, file_of(pixels[::-1, ::-1].copy(), "png", exif=exif)))
    np.testing.assert_array_equal(turned, seen(post_image(client, file_of(pixels))))
    clear = np.concatenate([pixels, np.zeros((32, 24, 1), np.uint8)], axis=2)
    assert (seen(post_image(client, file_of(clear))) == 248).all()  # white, in 5 bits
    grey = seen(post_image(client, file_of(pixels[:, :, 0])))
    assert (grey == grey[:, :, :1]).all()
    deep = file_of(pixels[:, :, 0].astype(np.uint16) * 257)  # type: ignore[arg-type]
    np.testing.assert_array_equal(seen(post_image(client, deep)), grey)


def test_small_and_long_images_are_fitted(client: TestClient) -> None:
    for shape in ((1, 1, 3), (3, 5, 3), (1, 3000, 3), (3000, 2, 3)):
        assert seen(post_image(client, file_of(noise(*shape)))).shape == (16, 12, 3)


def test_a_face_is_found_and_cut_out() -> None:
    skimage_data = pytest.importorskip("skimage.data")
    finder = face_finder()
    assert finder is not None
    photo = Image.fromarray(skimage_data.astronaut())
    box = finder.find(photo)
    assert box is not None
    left, top, right, bottom = box
    assert left < 225 < right  # the middle of her face
    assert top < 110 < bottom
    assert right - left == bottom - top < 300
    assert finder.find(Image.new("RGB", (200, 100), "grey")) is None
    assert finder.find(Image.new("RGB", (20, 10), "grey")) is None


# How it's shared


def test_a_busy_server_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_REQUESTS", 0)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(("path", "latents"), [("/api/decode", 1), ("/api/animation?frames=48", 2)])
def test_an_answer_that_takes_too_long_is_given_up(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, latents: int
) -> None:
    z = torch.zeros(latents * D).numpy().tobytes()
    monkeypatch.setattr(server, "deadline", lambda _: 0.0)
    answer = client.post(path, content=z, headers=BINARY)
    assert (answer.status_code, answer.json()["error"]) == (504, "The answer took longer than 0 seconds.")
    monkeypatch.undo()
    assert client.post(path, content=z, headers=BINARY).status_code == 200


def test_a_slow_model_has_time_for_an_animation(glow: Glow) -> None:
    engine = Engine(glow)
    engine.warm_up()
    engine.close()
    assert 0 < engine.seconds_per_picture < 10
    assert server.deadline(engine.seconds_per_picture) == server.SECONDS
    assert server.deadline(5.0) >= server.MOST_FRAMES * 5


def test_many_clients_at_once(client: TestClient) -> None:
    z = torch.randn(30, D)
    with ThreadPoolExecutor(30) as pool:
        pictures = list(pool.map(lambda row: post_latents(client, row.double()), z))
    for row, picture in zip(z, pictures, strict=True):
        np.testing.assert_array_equal(post_latents(client, row.double()), picture)


# What it refuses

PNG = file_of(noise(40, 40, 3))
RIGHT = np.zeros(D, "<f4").tobytes()


@pytest.mark.parametrize(
    ("path", "kind", "body", "status"),
    [
        ("/api/encode", "image/png", PNG[:-500], 422),
        ("/api/encode", "image/png", PNG[:20], 422),
        ("/api/encode", "image/png", b"", 422),
        ("/api/encode", "image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422),
        ("/api/encode", "image/png", hostile.bomb(30_000), 413),
        ("/api/encode", "image/png", hostile.bomb(6_000), 413),
        ("/api/encode", "image/png", hostile.text_bomb_content(), 422),
        ("/api/encode", "image/gif", b"GIF89a\xff\xff\xff\xff" + bytes(20), 422),
        ("/api/encode", "image/png", bytes(17_000_000), 413),
        ("/api/encode", "image/jpeg", PNG, 422),
        ("/api/encode", "image/svg+xml", PNG, 415),
        ("/api/encode", "application/json", b"{}", 415),
        ("/api/encode", "", PNG, 415),
        ("/api/encode?align=2", "image/png", PNG, 400),
        ("/api/encode?label=0", "image/png", PNG, 400),
        ("/api/decode", "application/json", RIGHT, 415),
        ("/api/decode", BINARY["Content-Type"], RIGHT[:-1], 400),
        ("/api/decode", BINARY["Content-Type"], b"", 400),
        ("/api/decode", BINARY["Content-Type"], bytes(8 * D + 1), 413),
        ("/api/decode", BINARY["Content-Type"], np.full(D, np.nan, "<f4").tobytes(), 400),
        ("/api/decode", BINARY["Content-Type"], np.full(D, -np.inf, "<f8").tobytes(), 400),
        ("/api/animation?frames=49", BINARY["Content-Type"], 2 * RIGHT, 400),
        ("/api/animation?frames=1", BINARY["Content-Type"], 2 * RIGHT, 400),
        ("/api/animation?path=..", BINARY["Content-Type"], 2 * RIGHT, 400),
        ("/api/animation", BINARY["Content-Type"], RIGHT, 400),
        ("/api/nothing", "image/png", PNG, 404),
        ("/healthz", "image/png", PNG, 405),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_a_mistake_gets_a_status_and_a_sentence(
    client: TestClient, path: str, kind: str, body: bytes, status: int
) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    sentence = answer.json()["error"]
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert len(sentence) < 250


@pytest.mark.parametrize(
    "query",
    [
        *("seed=-1", "seed=x", "seed=1_0", "seed=%D9%A3", "seed=", "seed=%201", f"seed={'9' * 5000}"),
        *("temperature=nan", "temperature=-1", "temperature=1_0", "temperature=%D9%A3", "temperature=1e999"),
    ],
)
def test_queries_are_checked(client: TestClient, query: str) -> None:
    assert client.get(f"/api/latent?{query}").status_code == 400


def test_numbers_may_have_exponents(client: TestClient) -> None:
    small = client.get("/api/latent?seed=9223372036854775807&temperature=5e-1").content
    assert small == client.get("/api/latent?seed=9223372036854775807&temperature=0.5").content


@pytest.mark.parametrize("size", [1e6, 1e30, 1e300])
def test_latents_of_any_size_give_a_picture(client: TestClient, size: float) -> None:
    z = size * torch.randn(D, dtype=torch.float64)
    assert post_latents(client, z).shape == (16, 12, 3)
    if size < 1e31:
        assert post_latents(client, z.float()).shape == (16, 12, 3)


def endlessly(glow: Glow, seconds: float, chunk: bytes) -> Message:
    """The head of the answer to an endless body, with a chunk after each pause in seconds."""
    headers = [(b"content-type", b"image/png"), (b"host", b"localhost")]
    scope = {"type": "http", "method": "POST", "path": "/api/encode", "query_string": b"", "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(seconds)
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(server.application(glow, "tiny")(scope, receive, send))
    assert (b"connection", b"close") in sent[0]["headers"]
    return sent[0]


def test_bodies_are_bounded_while_they_are_read(glow: Glow) -> None:
    assert endlessly(glow, 0, bytes(1_000_000))["status"] == 413


def test_slow_bodies_are_given_up(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "SECONDS", 0.05)
    assert endlessly(glow, 0.02, b"1")["status"] == 408


def test_bodies_share_a_room() -> None:
    room = requests.Room(10)
    with room.share() as take:
        take(6)
        with room.share() as other, pytest.raises(BusyError):
            other(5)
    with room.share() as take:
        take(10)


def test_uploads_beyond_the_room_are_turned_away(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_HELD", len(PNG))
    with TestClient(server.application(glow, "tiny")) as client:
        headers = {"Content-Type": "image/png"}
        assert client.post("/api/encode", content=PNG + b"0", headers=headers).status_code == 503
        for _ in range(2):
            assert client.post("/api/encode", content=PNG, headers=headers).status_code == 200


def test_every_answer_has_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/static/app.js", "/api/model", "/api/nothing", "/api/latent?seed=x"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_only_its_own_names_are_answered_to(glow: Glow) -> None:
    app = server.application(glow, "tiny", hosts=serving.LOOPBACK)
    for host, status in {
        "localhost:8000": 200, "127.0.0.1": 200, "[::1]:80": 200, "LOCALHOST": 200, "evil.example": 400,
        "localhost.evil.example": 400, "127.0.0.1.evil.example:8000": 400, "[::1": 400, "": 400,
    }.items():  # fmt: skip
        answer = TestClient(app).get("/healthz", headers={"Host": host})
        assert answer.status_code == status, host
        assert "x-frame-options" in answer.headers


def test_a_proxys_name_is_answered_to_if_it_is_given(glow: Glow) -> None:
    with serving.listening("127.0.0.1", 0) as listener:
        names = serving.hosts(listener, "127.0.0.1", "Hub.example.org")
    client = TestClient(server.application(glow, "tiny", hosts=names))
    for host, status in {"hub.example.org": 200, "localhost": 200, "evil.example": 400}.items():
        assert client.get("/healthz", headers={"Host": host}).status_code == status, host
    for name in ("X-Forwarded-Host", "X-Forwarded-For", "Forwarded"):  # a browser's page can't be trusted with these
        answer = client.get("/healthz", headers={"Host": "evil.example", name: "localhost"})
        assert answer.status_code == 400
        assert "127.0.0.1" in answer.json()["error"]


def test_every_address_of_the_page_is_relative(client: TestClient) -> None:
    for path in (Path(server.__file__).parent / "page").iterdir():
        assert not re.findall(r"""["'`(]/(?:static|api|openapi)""", path.read_text()), path
    assert client.get("/openapi.json").json()["servers"] == [{"url": "./"}]


def test_the_page_is_whole_and_asks_for_nothing_elsewhere(client: TestClient) -> None:
    page = client.get("/").text
    names = {path.name for path in (Path(server.__file__).parent / "page").iterdir()}
    for name in names:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", answer.text), name
        for module in re.findall(r'from "\./([^"]+)"', answer.text):
            assert module in names
    loaded = re.findall(r'(?:src|href)="static/([^"]+)"', page)
    assert {"app.js", "base.css"} <= set(loaded) <= names
    assert not re.search(r"\son\w+=|\sstyle=|<script(?![^>]*src)", page)  # the policy forbids them


def test_no_path_leads_to_a_file(client: TestClient) -> None:
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static//etc/passwd", "/static/", "/page/app.js"):
        assert client.get(path).status_code == 404


def test_the_description_is_of_what_there_is(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            other = client.request("PUT", path)
            assert other.status_code == 405
            assert method.upper() in other.headers["allow"]
            assert "200" in operation["responses"]
    about = client.get("/api/model").json()
    assert set(about) == set(description["components"]["schemas"]["Model"]["required"])
    found = post_image(client, PNG)
    assert set(found) == set(description["components"]["schemas"]["Encoded"]["required"])
    judged = client.post("/api/judge", content=bytes(4 * D), headers=BINARY).json()
    assert set(judged) == set(description["components"]["schemas"]["Judged"]["required"])
    types = set(description["paths"]["/api/encode"]["post"]["requestBody"]["content"])
    assert types == set(about["limits"]["types"])
    references = re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(description))
    assert all(name in description["components"][kind] for kind, name in references)


def test_hundreds_of_malformed_requests(client: TestClient) -> None:
    rng = random.Random(0)  # noqa: S311 (no secret)
    statuses = []
    for _ in range(400):
        request = hostile.request(rng, D)
        path = request.path.encode("ascii", "ignore").decode()
        answer = client.request(request.method, path, headers=request.headers, content=request.body)
        assert answer.status_code < 500, request
        if answer.status_code >= 400 and request.method != "HEAD":
            assert answer.json()["error"].endswith(".")
        statuses.append(answer.status_code)
    assert len(set(statuses)) >= 6
    assert client.get("/healthz").status_code == 200


# How it's served


@pytest.fixture(name="address")
def _address(glow: Glow, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """A server of its own, whose connections are closed after a fifth of a second."""
    monkeypatch.setattr(serving, "SECONDS", 0.2)
    with serving.listening("127.0.0.1", 0) as listener:
        running = uvicorn.Server(serving.configuration(server.application(glow, "tiny")))
        thread = threading.Thread(target=running.run, args=([listener],))
        thread.start()
        yield listener.getsockname()
        running.should_exit = True
        thread.join()


def talk(address: tuple[str, int], *parts: bytes) -> bytes:
    with socket.create_connection(address, timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.05)
        received = b""
        while chunk := connection.recv(100_000):
            received += chunk
        return received


def test_connections_do_not_stay_for_ever(address: tuple[str, int]) -> None:
    assert talk(address) == b""
    assert talk(address, b"GET / HTTP/1.1\r\n", b"Host: ", b"a", b"b") == b""
    assert b"ok" in talk(address, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")


def test_a_connection_stays_while_its_answer_is_made(address: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(_: Glow, z: Tensor, _y: Tensor | None, *, exact: bool = True) -> Tensor:
        time.sleep(0 if exact else 1)  # five times as long as a connection is kept
        return torch.zeros(len(z), *SHAPE, dtype=torch.uint8)

    monkeypatch.setattr(Glow, "decode", decode)
    head = f"POST /api/decode HTTP/1.1\r\nHost: a\r\nContent-Type: {BINARY['Content-Type']}\r\nContent-Length: {4 * D}"
    assert b"200 OK" in talk(address, head.encode() + b"\r\n\r\n" + bytes(4 * D))


def test_what_is_not_http_gets_a_sentence(address: tuple[str, int]) -> None:
    answer = talk(address, b"nonsense\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'{"error": ' in answer
    assert_secured(answer)


def test_one_connection_too_many_is_told_so(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 0)
    answer = talk(address, request)
    assert answer.startswith(b"HTTP/1.1 503")
    assert b'{"error":"Too many others' in answer
    assert b"retry-after: 1" in answer.lower()
    assert_secured(answer)
    monkeypatch.undo()
    assert b"200 OK" in talk(address, request)
    assert not caplog.records


def assert_secured(answer: bytes) -> None:
    for name, value in guard.HEADERS.items():
        assert f"{name}: {value}".lower().encode() in answer.lower()


@pytest.fixture(name="model")
def _model(tmp_path: Path) -> Path:
    tiny().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_command(model: Path) -> None:
    command = [sys.executable, "-m", "glowflow", "demo", str(model), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", said)
        assert found, said
        request = b"GET /api/model HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
        assert b'"name":"model"' in talk(("127.0.0.1", int(found[1])), request % b"localhost")
        assert b"400 Bad Request" in talk(("127.0.0.1", int(found[1])), request % b"evil.example")
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
        assert process.wait(30) == 0


def test_the_name_is_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(
        serving,
        "serve",
        lambda app, _: names.append(TestClient(app, "http://localhost").get("/api/model").json()["name"]),
    )
    tiny().save_pretrained(tmp_path / "mine" / "best")
    monkeypatch.chdir(tmp_path / "mine")
    for model in (".", "best", str(tmp_path / "mine" / "best"), "faces"):
        assert main(["demo", model, "--port", "0"]) == 0
    assert names == ["mine", "mine", "mine", "faces"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("nowhere", "No model in nowhere"),
        ("{model} --port 70000", "--port is 70000"),
        ("{model} --port {taken}", "is taken: choose another by --port"),
        ("{model} --host nowhere.invalid", "isn't an address of this machine"),
        ("{model} --host 192.0.2.1", "--host is 192.0.2.1, which isn't an address of this machine."),
        ("{model} --examples 101", "--examples is 101; it takes a whole number from 0 to 100."),
        ("{model} --device tpu", "There is no device 'tpu' here"),
        ("{model} --behind https://hub.example.org/", "it takes the name of a host alone, such as hub.example.org"),
    ],
)
def test_mistakes_of_the_command(capsys: pytest.CaptureFixture[str], model: Path, options: str, sentence: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = options.format(model=model, taken=taken.getsockname()[1]).split()
        port = [] if "--port" in words else ["--port", "0"]
        assert main(["demo", *words, *port]) == 2
    assert sentence in capsys.readouterr().err


def test_the_extra_is_asked_for(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("glowflow.demo")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["demo"]) == 2
    assert "pip install -e '.[demo]'" in capsys.readouterr().err


def test_the_command_finds_examples_and_what_is_usual(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples are evenly spaced test images of the run's own data."""
    found: list[list[dict[str, str]]] = []

    def serve(app: guard.Guard, _: socket.socket) -> None:
        found.append(TestClient(app, "http://localhost").get("/api/examples").json()["images"])

    monkeypatch.setattr(serving, "serve", serve)
    for number in ("3", "0"):
        assert main(["demo", "run", "--port", "0", "--examples", number]) == 0
    for others in (["--behind", "hub.example.org"], ["--behind", "hub.example.org", "--examples", "2"]):
        assert main(["demo", "run", "--port", "0", *others]) == 0
    settings = home / "run" / "config.yaml"
    data = read_config(home / "run")["train"]["data"]
    settings.write_text(settings.read_text().replace(data, str(home / "nowhere")))
    assert main(["demo", "run", "--port", "0"]) == 0
    few, none, shared, offered, nowhere = found
    assert (len(few), none, shared, len(offered), nowhere) == (3, [], [], 2, [])
    images = load(data, (3, 8, 8), "test").images
    last = quantize(torch.from_numpy(np.array(images[-1])), 5)
    np.testing.assert_array_equal(png_in(dict(few[-1]), "image"), last)
