"""The measurements of `glowflow bench`."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from torch import Tensor

from glowflow.allocator import keep_freed_memory
from glowflow.bench.apart import apart
from glowflow.bench.floor import are_floor, convolutions
from glowflow.bench.memory import activations
from glowflow.bench.operations import count
from glowflow.bench.peer import PEERS, OfPeer, normflows_glow, peer_sampling, peer_training, peer_work
from glowflow.bench.timing import Work, timings
from glowflow.bench.work import gradient, sampling, training
from glowflow.config import GlowConfig, RunConfig
from glowflow.execution import Execution
from glowflow.parts import MEMORIES

FLOOR = "bare convolutions"


def measure(run: RunConfig, execution: Execution, x: Tensor, rounds: int, depths: Sequence[int]) -> dict[str, Any]:
    """Measure training and sampling beside their floors, operations, and memory. Normflows joins if it's installed.

    Args:
        run: The configuration of the model and its optimiser.
        execution: The precision of the couplings' networks and the floor. If it's compiled, compiled training and
            sampling are measured beside the others. All memory modes are measured.
        x: A batch of continuous images, on the device to measure.
        rounds: How often each piece of work is timed.
        depths: The numbers of steps K for which memory is measured.
    """
    keep_freed_memory()  # as the commands do
    config, precision = run.model, execution.precision
    train: dict[str, Work] = {FLOOR: convolutions(config, precision, x, backward=True)}
    train["store, without the update"] = gradient(config, Execution("store", precision), x)
    train |= {memory: training(config, Execution(memory, precision), x, run.train) for memory in MEMORIES.names}
    if x.is_cuda:  # the others are CUDA graphs
        train["store, eager"] = training(config, Execution("store", precision), x, run.train, captured=False)
    if execution.compiled:
        train["store, compiled"] = training(config, Execution("store", precision, compiled=True), x, run.train)
    found: dict[str, Any] = {"training": _beside_peers(train, peer_training, config, x, rounds)}
    train.clear()  # its models are large
    draw: dict[str, Work] = {FLOOR: convolutions(config, precision, x, backward=False)}
    draw["glowflow"] = sampling(config, Execution(precision=precision), x)
    if execution.compiled:
        draw["glowflow, compiled"] = sampling(config, Execution(precision=precision, compiled=True), x)
    found["sampling"] = _beside_peers(draw, peer_sampling, config, x, rounds)
    found["operations"] = [{"name": memory} | count(run, Execution(memory, precision)) for memory in MEMORIES.names]
    found["convolutions_are_floor"] = are_floor(config, x)
    return found | {"activations": activations(config, depths, precision, x)}


def _beside_peers(
    works: dict[str, Work], of_peer: OfPeer, config: GlowConfig, x: Tensor, rounds: int
) -> list[dict[str, Any]]:
    """Timings of all works in turn, with those of normflows if it's installed."""
    with ExitStack() as stack:
        if normflows_glow(replace(config, steps=1), x) is not None:
            for name, keeps in PEERS.items():
                build = partial(peer_work, of_peer, config, (x.cpu(), x.device), keeps=keeps)
                works[name] = stack.enter_context(apart(build))
        return [asdict(timing) for timing in timings(works, len(x), rounds)]
