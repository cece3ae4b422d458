"""The map of the exported page is that of the library, for every part that a model can have."""

from pathlib import Path

import numpy as np
import pytest
import torch

from glowflow.demo.mapped import with_map
from glowflow.export import onnx_files, runtime
from glowflow.images import BIN_CENTRE
from glowflow.scoring.bits import Bits
from glowflow.scoring.where import UsualBits
from tests.helpers import frozen
from tests.test_export import CASES, examples


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_every_architecture(case: str, tmp_path: Path) -> None:
    model = frozen(**CASES[case])
    size = (model.config.num_levels, *model.config.image_shape[1:])
    rng = np.random.default_rng(0)
    usual = UsualBits(rng.uniform(2, 8, size), rng.uniform(1, 2, size))
    onnx_files.write(model, tmp_path, lambda glow: {"where": with_map(usual)(glow)["where"]})
    session = runtime.session(tmp_path / "where.onnx")
    for count in (1, 4):
        given = {name: value for name, value in examples(model, count).items() if name in {"images", "labels"}}
        still = torch.full(given["images"].shape, BIN_CENTRE)
        expected = usual.excess(Bits.by_pixel(model, given["images"], still, given.get("labels")))
        np.testing.assert_allclose(runtime.run(session, given), expected, rtol=1e-4, atol=1e-3)
