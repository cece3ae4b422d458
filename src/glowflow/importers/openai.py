"""Conversion between the original's TensorFlow variables (openai/glow) and our weights, by names and layouts."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glowflow.checks import typed
from glowflow.config import GlowConfig
from glowflow.errors import InputError
from glowflow.importers.matching import check_invertible, check_lu
from glowflow.model import Glow
from glowflow.parts import CONDITIONERS, COUPLINGS, DEQUANTIZERS, LAYOUTS, PERMUTATIONS, Kind

OPTIMIZER_SLOT = re.compile(r"Variable(_\d+)?|model/.*/ExponentialMovingAverage")
"""Names of the original's optimiser state, and of its averages, which it never evaluates."""

STEP = re.compile(r"model/(\d+)/(\d+)/")
"""The start of the names of a step's variables, with its level and its number."""

FIXED = ("invconv/P", "invconv/sign_S", "shuffle/indices", "shuffle/indices_inverse")
"""The ends of the names of variables that aren't trained."""


@dataclass(frozen=True)
class Layout:
    """How a tensor's layout is converted."""

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
POSSIBLE: dict[Kind, tuple[str, ...]] = {
    COUPLINGS: ("affine", "additive"),
    PERMUTATIONS: tuple(PERMUTATION),
    CONDITIONERS: ("conv",),
    LAYOUTS: ("glow",),
    DEQUANTIZERS: ("uniform",),
}
"""The parts that the original has, by kind."""

Entry = tuple[str, str, Layout]
"""Our name, the original's name, and the conversion between their layouts."""


def to_glow(variables: Mapping[str, Tensor], image_size: tuple[int, int], num_bits: int) -> Glow:
    """The model with the original's variables. Its architecture follows from their names and shapes.

    Args:
        variables: The variables by the original's names. Variables of its optimiser are ignored.
        image_size: (H, W), which no variable records.
        num_bits: The bits per channel of the training images, which no variable records.

    Raises:
        InputError: If a variable is missing or unknown, or its shape doesn't fit the others.
    """
    own = {name: tensor for name, tensor in variables.items() if not OPTIMIZER_SLOT.fullmatch(name)}
    model = Glow(_config(own, image_size, num_bits))
    _check(own, from_glow(model))
    entries = _correspondence(model.config)
    model.load_state_dict({ours: layout.to_ours(own[theirs]) for ours, theirs, layout in entries})
    return model.eval()


def from_glow(model: Glow) -> dict[str, Tensor]:
    """The original's variables for a model.

    Raises:
        InputError: If the original doesn't have the model's architecture.
    """
    _check_expressible(model.config)
    state, variables = model.state_dict(), {}
    for ours, theirs, layout in _correspondence(model.config):
        variables[theirs] = layout.to_theirs(state[ours]).contiguous()
        if layout is INDICES:
            variables[f"{theirs}_inverse"] = state[ours].argsort().int()
    return variables


def fresh_optimizer(variables: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The other variables that the original's checkpoints have: its optimiser's initial state, and averages.

    Args:
        variables: The model's variables, from `from_glow`.
    """
    slots, averages = [torch.ones(())], {}
    for name, tensor in variables.items():
        if not name.endswith(FIXED):
            slots += [torch.zeros_like(tensor), torch.zeros_like(tensor)]
            averages[f"{name}/ExponentialMovingAverage"] = tensor
    return averages | {f"Variable_{index}" if index else "Variable": slot for index, slot in enumerate(slots)}


def _correspondence(config: GlowConfig) -> Iterator[Entry]:
    """All parameters and buffers of a model, in the order in which the original creates its variables."""
    for i in range(config.num_levels):
        for k in range(config.at(i).steps):
            yield from _step(f"levels.{i}.{k + 1}", f"model/{i}/{k}", config)
        if i < config.num_levels - 1:
            yield from _within(f"levels.{i}.{config.at(i).steps + 1}.conditioner", f"model/pool{i}/conv", ZERO_CONV)
    if config.learn_top:
        yield from _within("prior.network.conv", "model/prior/p", ZERO_CONV)
    if config.num_classes:
        yield from _within("prior.network.embedding", "model/prior/y_emb", ZERO_LINEAR)
    if config.classifier:
        yield from _within("classifier", "model/classifier", ZERO_LINEAR)


def _step(ours: str, theirs: str, config: GlowConfig) -> Iterator[Entry]:
    yield from _within(f"{ours}.0", theirs, ACTNORM)
    yield from _within(f"{ours}.1", theirs, PERMUTATION[str(config.permutation)])
    network = f"{ours}.2.conditioner"
    for number in (1, 2):
        yield f"{network}.conv{number}.weight", f"{theirs}/f1/l_{number}/W", KERNEL
        yield from _within(f"{network}.norm{number}", f"{theirs}/f1/l_{number}", ACTNORM)
    yield from _within(f"{network}.conv3", f"{theirs}/f1/l_last", ZERO_CONV)


def _within(ours: str, theirs: str, entries: Iterable[Entry]) -> Iterator[Entry]:
    return ((f"{ours}.{name}", f"{theirs}/{variable}", layout) for name, variable, layout in entries)


def _config(variables: Mapping[str, Tensor], image_size: tuple[int, int], num_bits: int) -> GlowConfig:
    """The architecture, from names and shapes."""
    first = [f"model/0/0/{name}" for name in ("actnorm_center/b", "f1/l_1/W", "f1/l_last/W")]
    if not all(name in variables for name in first):
        raise InputError("This isn't a checkpoint of the original Glow: it has no variables model/0/0/...")
    channels, width, outputs = (variables[name].shape[-1] for name in first)
    levels, steps = _size(variables)
    embedding = variables.get("model/prior/y_emb/W")
    settings: dict[str, Any] = {
        "levels": levels,
        "steps": steps,
        "coupling": "affine" if outputs == channels else "additive",
        "permutation": _permutation(variables),
        "learn_top": "model/prior/p/W" in variables,
        "num_classes": 0 if embedding is None else embedding.shape[0],
        "classifier": "model/classifier/W" in variables,
    }
    return GlowConfig((channels // 4, *image_size), width=width, num_bits=num_bits, **settings)


def _size(variables: Iterable[str]) -> tuple[int, int]:
    """The number of levels, and of steps in each."""
    places = {(int(match[1]), int(match[2])) for match in map(STEP.match, variables) if match}
    levels, steps = (1 + max(numbers) for numbers in zip(*places, strict=True))
    if levels * steps != len(places):
        raise InputError(
            f"The checkpoint should have variables of {steps} steps in each of {levels} levels; it lacks some of them."
        )
    return levels, steps


def _permutation(variables: Mapping[str, Tensor]) -> str:
    found = [kind for kind, names in PERMUTATION.items() if names and f"model/0/0/{names[0][1]}" in variables]
    return found[0] if found else "reverse"


def _check(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise InputError(f"The checkpoint lacks the variable {name}, which its other variables call for.")
        kind, wanted = (f"{value.dtype} {tuple(value.shape)}" for value in (found[name], tensor))
        if kind != wanted:
            raise InputError(f"The checkpoint's variable {name} is {kind}; the others call for {wanted}.")
        if not found[name].isfinite().all():
            raise InputError(f"The checkpoint's variable {name} has values that aren't finite.")
    for name in found:
        if name not in expected:
            raise InputError(
                f"The checkpoint has a variable {name}, which the released code (openai/glow) doesn't have: it's from "
                "another version or another model, so what it computes isn't known."
            )
        _check_mixing(found, name)


def _check_mixing(variables: Mapping[str, Tensor], name: str) -> None:
    """Refuse indices that aren't a permutation, and a matrix that can't be inverted."""
    tensor = variables[name]
    if name.endswith("invconv/W"):
        check_invertible(name, tensor)
    if name.endswith("invconv/P"):
        check_lu(name.removesuffix("/P"), tensor, variables[name.removesuffix("P") + "sign_S"])
    if name.endswith("shuffle/indices_inverse"):
        indices = variables[name.removesuffix("_inverse")]
        in_order = torch.arange(len(indices), dtype=indices.dtype)
        if not torch.equal(indices.sort().values, in_order) or not torch.equal(indices.argsort().int(), tensor):
            raise InputError(
                f"The checkpoint's variable {name} isn't the inverse of a permutation: the file is damaged."
            )


def _check_expressible(config: GlowConfig) -> None:
    """Refuse a configuration that the original doesn't have, and name what is different."""
    channels, height, width = config.image_shape
    problems = [
        f"its {kind.name} is {typed(part)}, and the original has only {' and '.join(possible)}"
        for kind, possible in POSSIBLE.items()
        for part in config.parts(kind)
        if part not in possible
    ]
    if any(isinstance(each, tuple) and len(set(each)) > 1 for each in (config.steps, config.width)):
        problems.append("its levels differ in steps or width")
    if channels != 3 or height != width:
        problems.append("the original's images are square and have three channels")
    if problems:
        raise InputError(f"The original can't express this model: {problems[0]}.")
