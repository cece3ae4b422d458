"""Activation memory for different depths."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from glowflow.bench.allocations import activation_bytes
from glowflow.bench.peer import normflows_glow, peer_loss
from glowflow.bench.work import built, loss
from glowflow.config import GlowConfig
from glowflow.execution import Execution
from glowflow.parts import MEMORIES
from glowflow.progress import progress


def activations(
    config: GlowConfig, depths: Sequence[int], precision: torch.dtype | None, x: Tensor
) -> list[dict[str, int | str]]:
    """Activation memory of a training step in bytes, for each depth K, in each memory mode and of normflows."""
    rows: list[dict[str, int | str]] = []
    with progress("Memory", len(depths), "depths") as advance:
        for steps in depths:
            deep = replace(config, steps=steps)
            model, peer = built(deep, x), normflows_glow(deep, x)
            for memory in MEMORIES.names:
                model.execute(Execution(memory, precision)).zero_grad(set_to_none=True)
                held = activation_bytes(loss(model, x), model.parameters())
                rows.append({"steps": steps, "memory": memory, "bytes": held})
            if peer is not None:
                held = activation_bytes(peer_loss(peer, x), peer.parameters())
                rows.append({"steps": steps, "memory": "normflows", "bytes": held})
            advance(1, f"K = {steps}")
    return rows
