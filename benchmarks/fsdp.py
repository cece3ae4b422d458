"""Does FSDP2 work with the memory modes? It compares gradients of a sharded model with those of the whole model.

First the objective is sharded as one (parameters, gradients and the optimiser's state), then each step of flow by
itself.

    torchrun --nproc-per-node 2 -m benchmarks.fsdp
"""

from copy import deepcopy

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from glowflow import Glow, GlowConfig
from glowflow.bijections import Step
from glowflow.execution import Execution
from glowflow.images import dequantize
from glowflow.parts import MEMORIES
from glowflow.training.objective import Objective


def gradients(objective: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The gradients of the loss by parameter."""
    objective(images, torch.full(images.shape, 0.5)).total.backward()
    return {name: parameter.grad for name, parameter in objective.named_parameters() if parameter.grad is not None}


def difference(model: Glow, images: Tensor, *, each_step: bool) -> float:
    """The largest difference between the sharded model's gradients and the whole model's."""
    whole, sharded = Objective(deepcopy(model)), Objective(deepcopy(model))
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for module in sharded.modules():
        if each_step and isinstance(module, Step):
            fully_shard(module, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    expected = gradients(whole, images)
    found = {name: grad.full_tensor() for name, grad in gradients(sharded, images).items()}  # type: ignore[attr-defined]
    return max(float((found[name] - grad).abs().max()) for name, grad in expected.items())


def main() -> None:
    """Try each mode both ways, and print."""
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    model, images = Glow(GlowConfig((3, 8, 8), 2, 4, 16)), torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
    model.initialize(dequantize(images, 8))
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)  # away from zero
    for memory in MEMORIES.names:
        for each_step in (False, True):
            try:
                told = (
                    f"gradients differ by {difference(model.execute(Execution(memory)), images, each_step=each_step)}"
                )
            except RuntimeError as error:
                told = str(error).partition("!")[0]
            if dist.get_rank() == 0:
                print(f"{memory}, {'each step' if each_step else 'the whole'} sharded: {told}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
