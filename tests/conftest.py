"""Tests run one to a core, and keep prepared data out of the user's cache."""

import os
from pathlib import Path

import torch

os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start
os.environ["GLOWFLOW_CACHE"] = str(Path(__file__).parents[1] / ".pytest_cache" / "glowflow")
torch.set_num_threads(1)
