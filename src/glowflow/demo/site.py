"""The page as a folder for any static host: the model then runs in the visitor's browser."""

import base64
import json
from collections.abc import Mapping
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch

from glowflow.data import Dataset
from glowflow.demo import examples as begin_with
from glowflow.demo import web_runtime
from glowflow.demo.about import about, tolerated, usual_range
from glowflow.demo.mapped import with_map
from glowflow.export import checking, onnx_files
from glowflow.export.functions import functions
from glowflow.latents import Directions
from glowflow.model import FrozenGlow
from glowflow.noise import Stream, uniform_noise
from glowflow.scoring.colours import coloured
from glowflow.scoring.heat import Heat
from glowflow.scoring.where import UsualBits

HERE = files("glowflow.demo")
OFFLINE = "offline.js"
"""The service worker, which keeps all files but those for WebGPU."""
NOTICE = "NOTICE.txt"
"""The licences of what the folder holds."""
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
    where: UsualBits | None = None,
    webgpu: bool = False,
) -> dict[str, float]:
    """Write the page of a model.

    Args:
        glow: The model in its inference form, on the CPU.
        name: Its name on the page.
        directions: The directions of its sliders.
        usual: The bits/dim of images like those of its training (`StoredModel.usual`); empty if they aren't known.
        runtime: The folder with ONNX Runtime's files, see `web_runtime.found`.
        folder: An empty folder.
        examples: Images to begin with, which become a part of the folder.
        where: The bits that usual images take at each pixel, for maps; None if they are unknown.
        webgpu: True to add the runtime for WebGPU, see `web_runtime.has_webgpu`.

    Returns:
        The largest difference of each of the model's functions, see `checking.check`.
    """
    made, version = with_map(where), folder / "version"
    for part in ("static", "runtime", "model"):
        (version / part).mkdir(parents=True)
    _write_static(version / "static")
    web_runtime.copy(runtime, version / "runtime", webgpu=webgpu)
    onnx_files.write(glow, version / "model", made)
    facts = about(glow, name, directions, usual) | _facts(glow, directions, usual)
    facts |= {"webgpu": webgpu, "heat": None if where is None else _heat()}
    (version / "model" / "model.json").write_text(json.dumps(facts), encoding="utf-8")
    _write_numbers(glow, directions, version / "model")
    _write_examples(glow, examples, version / "model")
    differences = checking.check(glow, version / "model", made)
    _publish(folder, version)
    return differences


def _write_static(folder: Path) -> None:
    """The page's own files, with the engine that computes in the browser."""
    for part in ("page", "exported"):
        for path in (HERE / part).iterdir():
            if path.name not in {"index.html", "server.js", OFFLINE, NOTICE}:
                (folder / path.name).write_bytes(path.read_bytes())
    (folder / "engine.js").write_text('export * from "./browser.js";\n', encoding="utf-8")


def _heat() -> dict[str, Any]:
    """How the page draws a map: what `Heat.unusual` says, and the colours."""
    empty = Heat.unusual(np.zeros(0))
    return {"colours": coloured(np.linspace(0, 1, 256)).tolist(), "least": empty.ends[1], "caption": empty.caption}


def _facts(glow: FrozenGlow, directions: Directions | None, usual: Mapping[str, Any]) -> dict[str, Any]:
    """What a server knows beside what it tells, and what this page takes."""
    found = usual_range(directions, usual)
    return {
        "num_dims": glow.config.num_dims,
        "finds_faces": False,
        "limits": {"bytes": MOST_BYTES, "types": TYPES},
        "range": None if found is None else vars(found),
        "tolerated": tolerated(directions),
    }


def _write_numbers(glow: FrozenGlow, directions: Directions | None, folder: Path) -> None:
    """The directions, and the noise with which a server measures images."""
    vectors = directions.vectors if directions else torch.empty(0)
    noise = uniform_noise(0, Stream.EVALUATION, 0, 1, glow.config.image_shape)
    for file, numbers in (("directions.bin", vectors), ("noise.bin", noise)):
        (folder / file).write_bytes(numbers.numpy().astype("<f4").tobytes())


def _write_examples(glow: FrozenGlow, examples: Dataset | None, folder: Path) -> None:
    """The images to begin with. The first has its latents, so that the page needn't load the encoder to begin."""
    described = begin_with.described(examples, glow)
    if examples is not None and described["images"]:
        images, labels = examples.batch([0])
        given = {"labels": labels} if glow.config.num_classes else {}
        z = functions(glow)["encoder"].compute(images, **given)
        described["images"][0]["latents"] = base64.b64encode(z.numpy().astype("<f4").tobytes()).decode()
    (folder / "examples.json").write_text(json.dumps(described), encoding="utf-8")


def _publish(folder: Path, version: Path) -> None:
    """Name the version by a digest of its files, and write the files at the top, which lead to it.

    So an address below the version always has the same content, and browsers may keep it.
    """
    paths = sorted(path for path in version.rglob("*") if path.is_file())
    names = [path.relative_to(version).as_posix() for path in paths]
    digest = blake2b(digest_size=8)
    for name, path in zip(names, paths, strict=True):
        digest.update(name.encode() + path.read_bytes())
    place = version.rename(folder / digest.hexdigest()).name
    (folder / "index.html").write_text(_page(place), encoding="utf-8")
    (folder / NOTICE).write_bytes((HERE / "exported" / NOTICE).read_bytes())
    kept = [f"{place}/{name}" for name in names if name.removeprefix("runtime/") not in web_runtime.WEBGPU.values()]
    code = (HERE / "exported" / OFFLINE).read_text(encoding="utf-8")
    (folder / OFFLINE).write_text(f"const [VERSION, FILES] = {json.dumps([place, kept])};\n\n{code}", encoding="utf-8")


def _page(place: str) -> str:
    """The page, whose files are at another place than on a server."""
    page = (HERE / "page" / "index.html").read_text(encoding="utf-8")
    meta = f'<meta charset="utf-8">\n  <meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return page.replace('<meta charset="utf-8">', meta).replace('"static/', f'"{place}/static/')
