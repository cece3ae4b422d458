"""The page as a folder for any static host: the model then runs in the visitor's browser."""

import base64
import json
import shutil
import subprocess
from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from glowflow.data import Dataset
from glowflow.demo import examples as begin_with
from glowflow.demo.about import about, tolerated, usual_range
from glowflow.errors import InputError
from glowflow.export import checking, onnx_files
from glowflow.latents import Directions
from glowflow.model import FrozenGlow
from glowflow.noise import Stream, uniform_noise

HERE = files("glowflow.demo")
PACKAGE = "onnxruntime-web"
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""The files of the npm package that the page needs."""
TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp")
"""The kinds of files that every browser reads."""
MOST_BYTES = 64_000_000
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""The Content-Security-Policy, which a static host doesn't send: nothing comes from elsewhere."""


def write(  # noqa: PLR0913, PLR0917 (facts about a model)
    glow: FrozenGlow,
    name: str,
    directions: Directions | None,
    usual: Mapping[str, Any],
    runtime: Path,
    folder: Path,
    *,
    examples: Dataset | None = None,
) -> dict[str, float]:
    """Write the page of a model.

    Args:
        glow: The model in its inference form, on the CPU.
        name: Its name on the page.
        directions: The directions of its sliders.
        usual: The bits/dim of images like those of its training (`StoredModel.usual`); empty if they aren't known.
        runtime: The folder with the files `RUNTIME`, see `found_runtime`.
        folder: An empty folder.
        examples: Images to begin with, which become a part of the folder.

    Returns:
        The largest difference of each of the model's functions, see `checking.check`.
    """
    for part in ("static", "runtime", "model"):
        (folder / part).mkdir()
    _write_page(folder)
    for each in RUNTIME:
        shutil.copyfile(runtime / each, folder / "runtime" / each)
    onnx_files.write(glow, folder / "model")
    _write_facts(glow, name, directions, usual, folder / "model")
    _write_examples(glow, examples, folder / "model")
    _write_offline(folder)
    return checking.check(glow, folder / "model")


def found_runtime(given: Path | None) -> Path:
    """The folder with the files of onnxruntime-web: the one that the user gave, or where npm puts it.

    Raises:
        InputError: If it isn't there.
    """
    places = [Path("node_modules", PACKAGE), *_global()] if given is None else [given]
    for place in (each for package in places for each in (package, package / "dist")):
        if all((place / name).is_file() for name in RUNTIME):
            return place
    what = f"the files of the npm package {PACKAGE}, such as {RUNTIME[0]}"
    if given is not None:
        raise InputError(f"{given} doesn't have {what}: give the folder where npm installed it.")
    raise InputError(f"The page needs {what}: run npm install {PACKAGE} here, or give its folder by --runtime.")


def _global() -> list[Path]:
    """The place of the package if npm installed it for all folders."""
    if (npm := shutil.which("npm")) is None:
        return []
    told = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=False)  # noqa: S603
    return [Path(told.stdout.strip(), PACKAGE)]


def _write_page(folder: Path) -> None:
    """The page's own files, with the engine that computes in the browser."""
    for part in ("page", "exported"):
        for path in (HERE / part).iterdir():
            (folder / "static" / path.name).write_bytes(path.read_bytes())
    (folder / "static" / "engine.js").write_text('export * from "./browser.js";\n', encoding="utf-8")
    (folder / "static" / "server.js").unlink()
    page = (folder / "static" / "index.html").read_text(encoding="utf-8")
    meta = f'<meta charset="utf-8">\n  <meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    (folder / "index.html").write_text(page.replace('<meta charset="utf-8">', meta), encoding="utf-8")
    (folder / "static" / "index.html").unlink()


def _write_facts(
    glow: FrozenGlow, name: str, directions: Directions | None, usual: Mapping[str, Any], folder: Path
) -> None:
    """What the server would tell about the model, and the noise with which it measures images."""
    found = usual_range(directions, usual)
    facts = {
        **about(glow, name, directions, usual),
        "num_dims": glow.config.num_dims,
        "finds_faces": False,
        "limits": {"bytes": MOST_BYTES, "types": TYPES},
        "range": None if found is None else vars(found),
        "tolerated": tolerated(directions),
    }
    (folder / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    vectors = directions.vectors if directions else torch.empty(0)
    noise = uniform_noise(0, Stream.EVALUATION, 0, 1, glow.config.image_shape)
    for file, numbers in (("directions.bin", vectors), ("noise.bin", noise)):
        (folder / file).write_bytes(numbers.numpy().astype("<f4").tobytes())


def _write_examples(glow: FrozenGlow, examples: Dataset | None, folder: Path) -> None:
    """The images to begin with. The first has its latents, so that the page needn't load the encoder to begin."""
    described = begin_with.described(examples, glow.config.num_bits)
    if examples is not None and described["images"]:
        images, labels = examples.batch([0])
        z = glow.encode(images, labels if glow.config.num_classes else None)
        described["images"][0]["latents"] = base64.b64encode(z.numpy().astype("<f4").tobytes()).decode()
    (folder / "examples.json").write_text(json.dumps(described), encoding="utf-8")


def _write_offline(folder: Path) -> None:
    """The service worker, which keeps all files. It gets their names, and a version that changes with them."""
    script = folder / "static" / "offline.js"
    code = script.read_text(encoding="utf-8")
    script.unlink()
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    digest = blake2b(b"".join(path.read_bytes() for path in paths), digest_size=8).hexdigest()
    names = ["./", *(path.relative_to(folder).as_posix() for path in paths if path.name != "index.html")]
    head = f"const [VERSION, FILES] = {json.dumps([digest, names])};\n\n"
    (folder / "offline.js").write_text(head + code, encoding="utf-8")
