"""The files of ONNX Runtime for browsers, which npm installs."""

import shutil
import subprocess
from pathlib import Path

from glowflow.errors import InputError

PACKAGE = "onnxruntime-web"
RUNTIME = {
    "ort.wasm.min.mjs": "wasm.js",
    "ort-wasm-simd-threaded.mjs": "wasm-module.js",
    "ort-wasm-simd-threaded.wasm": "wasm-module.wasm",
}
"""The files of the npm package that the page needs, and their names in the folder.

Some hosts don't serve files that end with mjs as scripts.
"""
WEBGPU = {
    "ort.webgpu.min.mjs": "webgpu.js",
    "ort-wasm-simd-threaded.asyncify.mjs": "webgpu-module.js",
    "ort-wasm-simd-threaded.asyncify.wasm": "webgpu-module.wasm",
}
"""Those that only browsers with WebGPU load."""


def copy(runtime: Path, folder: Path, *, webgpu: bool) -> None:
    """Copy the files of the runtime, and with `webgpu` those for WebGPU, into a folder."""
    for name, here in (RUNTIME | (WEBGPU if webgpu else {})).items():
        shutil.copyfile(runtime / name, folder / here)


def has_webgpu(runtime: Path) -> bool:
    """True if a folder of onnxruntime-web has the files `WEBGPU`, which some versions lack."""
    return all((runtime / name).is_file() for name in WEBGPU)


def found(given: Path | None) -> Path:
    """The folder with the files of onnxruntime-web: the one that the user gave, or where npm puts it.

    Raises:
        InputError: If it isn't there.
    """
    places = [Path("node_modules", PACKAGE), *_global()] if given is None else [given]
    for place in (each for package in places for each in (package, package / "dist")):
        if all((place / name).is_file() for name in RUNTIME):
            return place
    what = f"the files of the npm package {PACKAGE}, such as {next(iter(RUNTIME))}"
    if given is not None:
        raise InputError(f"{given} doesn't have {what}: give the folder where npm installed it.")
    raise InputError(f"The page needs {what}: run npm install {PACKAGE} here, or give its folder by --runtime.")


def _global() -> list[Path]:
    """The place of the package if npm installed it for all folders."""
    if (npm := shutil.which("npm")) is None:
        return []
    told = subprocess.run([npm, "root", "--global"], capture_output=True, text=True, check=False)  # noqa: S603
    return [Path(told.stdout.strip(), PACKAGE)]
