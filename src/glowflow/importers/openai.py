"""The original's TensorFlow variables (openai/glow) to our weights, and back: the names and layouts of CONFORMANCE."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glowflow.config import GlowConfig
from glowflow.errors import InputError
from glowflow.model import Glow

OPTIMIZER_SLOT = re.compile(r"Variable(_\d+)?|model/.*/ExponentialMovingAverage")
"""The original's optimiser state, and its average, which it never evaluates."""

STEP = re.compile(r"model/(\d+)/(\d+)/")
"""Start of the names of a step's variables: its level and its number."""

INVERSE_INDICES = "shuffle/indices_inverse"


@dataclass(frozen=True)
class Layout:
    """How a tensor is laid out in the two code bases."""

    to_ours: Callable[[Tensor], Tensor]
    to_theirs: Callable[[Tensor], Tensor]


KERNEL = Layout(lambda v: v.permute(3, 2, 0, 1), lambda w: w.permute(2, 3, 1, 0))
MATRIX = Layout(lambda v: v.T, lambda w: w.T)
CHANNELS = Layout(lambda v: v.flatten(), lambda w: w.reshape(1, 1, 1, -1))
ROW = Layout(lambda v: v.flatten(), lambda w: w.reshape(1, -1))
INDICES = Layout(lambda v: v.long(), lambda w: w.int())
SAME = Layout(lambda v: v, lambda w: w)

ACTNORM = [("bias", "actnorm_center/b", CHANNELS), ("logs", "actnorm_scale/logs", CHANNELS)]
ZERO_CONV = [("weight", "W", KERNEL), ("bias", "b", CHANNELS), ("logs", "logs", ROW)]
ZERO_LINEAR = [("weight", "W", MATRIX), ("bias", "b", ROW), ("logs", "logs", ROW)]
PERMUTATION = {
    "conv1x1": [("weight", "invconv/W", MATRIX)],
    "conv1x1-lu": [
        ("permutation", "invconv/P", SAME),
        ("lower", "invconv/L", SAME),
        ("sign", "invconv/sign_S", SAME),
        ("log_s", "invconv/log_S", SAME),
        ("upper", "invconv/U", SAME),
    ],
    "shuffle": [("permutation", "shuffle/indices", INDICES)],
    "reverse": [],
}
Entry = tuple[str, str, Layout]
"""Our name, the original's, and how they're laid out."""


def to_glow(variables: Mapping[str, Tensor], image_size: tuple[int, int], num_bits: int) -> Glow:
    """The model that the original's variables make; its architecture follows from their names and shapes.

    Args:
        variables: By the original's names; those of its optimiser are passed over.
        image_size: (H, W), which no variable tells.
        num_bits: Bits per channel that the model was trained at, which no variable tells either.

    Raises:
        InputError: If a variable lacks, isn't known, or has another shape than its neighbours ask for.
    """
    own = {name: tensor for name, tensor in variables.items() if not OPTIMIZER_SLOT.fullmatch(name)}
    model = Glow(_config(own, image_size, num_bits))
    expected = from_glow(model)
    _check(own, expected)
    entries = _correspondence(model.config)
    model.load_state_dict({ours: layout.to_ours(own[theirs]) for ours, theirs, layout in entries})
    for name in own:
        if name.endswith(INVERSE_INDICES):
            _check_inverse(own, name)
    return model.eval()


def from_glow(model: Glow) -> dict[str, Tensor]:
    """The original's variables for a model.

    Raises:
        InputError: If the original has no such architecture.
    """
    _check_expressible(model.config)
    state, variables = model.state_dict(), {}
    for ours, theirs, layout in _correspondence(model.config):
        variables[theirs] = layout.to_theirs(state[ours]).contiguous()
        if layout is INDICES:
            variables[f"{theirs}_inverse"] = state[ours].argsort().int()
    return variables


def _correspondence(config: GlowConfig) -> Iterator[Entry]:
    """Every parameter and buffer of the model."""
    levels, steps = range(config.num_levels), range(config.steps)
    for ours, theirs in ((f"levels.{i}.{k + 1}", f"model/{i}/{k}") for i in levels for k in steps):
        yield from _within(f"{ours}.0", theirs, ACTNORM)
        yield from _within(f"{ours}.1", theirs, PERMUTATION[config.permutation])
        yield from _conditioner(f"{ours}.2.conditioner", f"{theirs}/f1")
    for i in levels[:-1]:
        yield from _within(f"levels.{i}.{config.steps + 1}.conditioner", f"model/pool{i}/conv", ZERO_CONV)
    if config.learn_top:
        yield from _within("prior.network.conv", "model/prior/p", ZERO_CONV)
    if config.num_classes:
        yield from _within("prior.network.embedding", "model/prior/y_emb", ZERO_LINEAR)
    if config.classifier:
        yield from _within("classifier", "model/classifier", ZERO_LINEAR)


def _conditioner(ours: str, theirs: str) -> Iterator[Entry]:
    for number in (1, 2):
        yield f"{ours}.conv{number}.weight", f"{theirs}/l_{number}/W", KERNEL
        yield from _within(f"{ours}.norm{number}", f"{theirs}/l_{number}", ACTNORM)
    yield from _within(f"{ours}.conv3", f"{theirs}/l_last", ZERO_CONV)


def _within(ours: str, theirs: str, entries: Iterable[Entry]) -> Iterator[Entry]:
    return ((f"{ours}.{name}", f"{theirs}/{variable}", layout) for name, variable, layout in entries)


def _config(variables: Mapping[str, Tensor], image_size: tuple[int, int], num_bits: int) -> GlowConfig:
    """The architecture that the names and shapes tell."""
    places = [(int(match[1]), int(match[2])) for match in map(STEP.match, variables) if match]
    first = ("actnorm_center/b", "f1/l_1/W", "f1/l_last/W")
    if not places or not all(f"model/0/0/{name}" in variables for name in first):
        raise InputError("This is no checkpoint of the original Glow: it has no variables model/0/0/...")
    channels, width, outputs = (variables[f"model/0/0/{name}"].shape[-1] for name in first)
    embedding = variables.get("model/prior/y_emb/W")
    settings: dict[str, Any] = {
        "levels": 1 + max(level for level, _ in places),
        "steps": 1 + max(step for _, step in places),
        "coupling": "affine" if outputs == channels else "additive",
        "permutation": _permutation(variables),
        "learn_top": "model/prior/p/W" in variables,
        "num_classes": 0 if embedding is None else embedding.shape[0],
        "classifier": "model/classifier/W" in variables,
    }
    return GlowConfig((channels // 4, *image_size), width=width, num_bits=num_bits, **settings)


def _permutation(variables: Mapping[str, Tensor]) -> str:
    found = [kind for kind, names in PERMUTATION.items() if names and f"model/0/0/{names[0][1]}" in variables]
    return found[0] if found else "reverse"


def _check(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise InputError(f"The checkpoint lacks the variable {name}, which its other variables ask for.")
        if found[name].shape != tensor.shape:
            shapes = f"{tuple(found[name].shape)} where the others ask for {tuple(tensor.shape)}"
            raise InputError(f"The checkpoint's variable {name} has the shape {shapes}.")
        if not found[name].isfinite().all():
            raise InputError(f"The checkpoint's variable {name} has values that aren't finite.")
    for name in found:
        if name not in expected:
            raise InputError(
                f"The checkpoint has a variable {name}, which the released code (openai/glow) doesn't have: it's from "
                f"another version or another model, and what it computes isn't known."
            )


def _check_inverse(variables: Mapping[str, Tensor], name: str) -> None:
    indices = variables[name.removesuffix("_inverse")]
    if not torch.equal(indices.argsort(), variables[name].long()):
        raise InputError(f"The checkpoint's variable {name} isn't the inverse of its indices: the file is damaged.")


def _check_expressible(config: GlowConfig) -> None:
    if config.layout != "glow" or config.residual_blocks:
        raise InputError("The original can't express this model: it has no RealNVP layout and no residual networks.")
    if config.coupling not in {"affine", "additive"}:
        raise InputError(f"The original can't express this model: it has no {config.coupling} coupling.")
