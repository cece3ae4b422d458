"""Where a result comes from: versions, commit and machine, which are stored beside it."""

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from glowflow.errors import counted


def provenance() -> dict[str, Any]:
    """Versions, glowflow's commit (None outside a checkout), machine and time (UTC)."""
    import torch  # noqa: PLC0415 (heavy)

    threads = counted(torch.get_num_threads(), "thread")

    return {
        "glowflow": import_module("glowflow").__version__,  # installed metadata may be older
        "commit": _commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}, {threads}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


@cache
def _commit() -> str | None:
    """The checkout's commit at the first call, with "+" if files differ; None if this file isn't in a checkout."""
    try:
        _git("ls-files", "--error-unmatch", __file__)
        return _git("rev-parse", "HEAD") + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
