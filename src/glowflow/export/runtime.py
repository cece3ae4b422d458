"""Exported files, run by ONNX Runtime on the CPU."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import torch
from torch import Tensor

from glowflow.export import onnx_files
from glowflow.export.functions import functions
from glowflow.model import FrozenGlow
from glowflow.packages import imported

Decode: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""Maps latents (B, D) and labels to images (B, C, H, W), uint8."""


def session(file: Path, threads: int = 0) -> Any:  # noqa: ANN401 (onnxruntime.InferenceSession)
    """A file that is ready to be run on so many threads; 0 for all cores."""
    runtime = imported("onnxruntime", "Exporting to ONNX", "onnx")
    options = runtime.SessionOptions()
    options.log_severity_level = 4  # errors become exceptions
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def run(session: Any, inputs: dict[str, Tensor]) -> Tensor:  # noqa: ANN401
    """The output of a session."""
    (output,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(output)


def decoder(model: FrozenGlow, threads: int) -> Decode:
    """`Glow.decode` in float32, by ONNX Runtime instead of PyTorch.

    Args:
        model: The model, in float32 on the CPU.
        threads: How many threads compute.

    Raises:
        InputError: If a package is missing, or if the model can't be exported, see `onnx_files.write`.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        onnx_files.write(model, Path(folder), lambda glow: {"decoder": functions(glow)["decoder"]})
        ready = session(Path(folder, "decoder.onnx"), threads)

    def decode(z: Tensor, y: Tensor | None = None) -> Tensor:
        return run(ready, {"latents": z.float()} | ({} if y is None else {"labels": y}))

    return decode
