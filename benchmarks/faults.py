"""Does a training survive kills and a full disk?

`kill`: a training is killed (SIGKILL) at random moments, `--kills` times. The same command goes on with it each time.
Its final state is compared with that of an uninterrupted training, bit for bit. Several processes are started by
torchrun, and one of them, or torchrun, or all are killed at random.

`disk`: a training writes to a disk that is full after the first checkpoint (a tmpfs, which root can mount), and to a
read-only disk. Its messages are stored, and whether its last checkpoint loads.

    python -m benchmarks.faults kill results/faults/faults.jsonl --kills 50
    python -m benchmarks.faults kill results/faults/faults.jsonl --kills 50 --processes 2
    python -m benchmarks.faults disk results/faults/faults.jsonl
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.lines import Line, complete
from glowflow.durable import verify
from glowflow.locks import lock

TRAINING = {
    "train.images": 80_000,
    "train.batch_size": 16,
    "train.init_batch_size": 32,
    "train.validate_every": 400,
    "train.validation_images": 50,
    "model.steps": 2,
    "model.width": 16,
}
"""A training of digits with a validation, and so a checkpoint, about every second."""

SHARE_WHILE_WRITING = 0.3
"""The share of kills that wait until a checkpoint is being written."""

MODULE = [sys.executable, "-m"]


def command(out: Path, processes: int, **settings: object) -> list[str]:
    """The command that starts a training or goes on with it."""
    launcher = [] if processes == 1 else ["torch.distributed.run", f"--nproc-per-node={processes}", "-m"]
    options = [f"--{name}={value}" for name, value in (TRAINING | settings).items()]
    return [*MODULE, *launcher, "glowflow", "train", "digits", f"--out={out}", *options]


def kill(kills: int, processes: int, seed: int) -> Line:
    """Kill a training repeatedly, go on, and compare its end."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        subprocess.run(command(whole, processes), check=True, capture_output=True)
        began = time.monotonic()
        subprocess.run(command(whole, processes), check=True, capture_output=True)  # has nothing left to do
        startup = time.monotonic() - began
        moments: list[str] = []
        while len(moments) < kills:
            with subprocess.Popen(command(cut, processes), stderr=subprocess.PIPE, start_new_session=True) as process:
                time.sleep(rng.uniform(0, 2) * startup)
                if rng.random() < SHARE_WHILE_WRITING:
                    _wait_for_a_write(process, cut)
                moment = _moment(cut)
                if process.poll() is not None:
                    raise RuntimeError(
                        f"The training ended before it was killed {kills} times: {process.communicate()}"
                    )
                _kill(process.pid, rng)
                told = process.communicate()[1].decode()
            if "Traceback" in re.sub(r"(?s)Traceback.*ChildFailedError", "", told):
                raise RuntimeError(told)
            moments.append(moment)
            print(f"kill {len(moments)}: {moment}", flush=True)
        done = subprocess.run(command(cut, processes), check=True, capture_output=True, text=True)
        names = ("raw.safetensors", "model.safetensors", "optimizer.safetensors")
        same = all(_same(whole / "last" / name, cut / "last" / name) for name in names)
    return {
        "bit_identical": same,
        "moments": {moment: moments.count(moment) for moment in sorted(set(moments))},
        "told_of_damage": "set aside" in done.stderr,
    }


def _wait_for_a_write(process: "subprocess.Popen[bytes]", out: Path) -> None:
    while process.poll() is None and not _is_writing(out):
        time.sleep(0.001)


def _is_writing(out: Path) -> bool:
    return (out / ".last.partial").exists() or (out / ".best.partial").exists()


def _moment(out: Path) -> str:
    """What the training was doing, according to the files in its directory."""
    if not (out / ".lock").exists():
        return "starting for the first time"
    with (out / ".lock").open("ab") as file:
        try:
            lock(file, blocking=False)
        except BlockingIOError:
            return "writing a checkpoint" if _is_writing(out) else "training or validating"
    return "starting"


def _kill(launcher: int, rng: random.Random) -> None:
    """The processes to kill: the launcher, a worker, or all. Without workers, the launcher is the training."""
    found = subprocess.run(["pgrep", "-P", str(launcher)], capture_output=True, text=True, check=False)
    everyone = [launcher, *map(int, found.stdout.split())]
    for process in rng.choice([everyone, *([one] for one in everyone)]):
        subprocess.run(["kill", "-9", str(process)], check=False)


def _same(first: Path, second: Path) -> bool:
    one, other = load_file(first), load_file(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@contextmanager
def small_disk(megabytes: float) -> Iterator[Path]:
    """Mount a file system of this size."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def disk(what: str) -> Line:
    """Train on a disk that fills up or is read-only."""
    with tempfile.TemporaryDirectory() as folder:
        short = command(Path(folder) / "run", 1, **{"train.images": 800})
        subprocess.run(short, check=True, capture_output=True)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 2**20
    with small_disk(2 * size) as folder:
        run = command(folder / "run", 1, **{"train.images": 2000})
        if what == "read-only":
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        else:
            (folder / "other").write_bytes(b"x" * int(1.4 * size * 2**20))
        found = subprocess.run(run, capture_output=True, text=True, check=False)
        told = [line.replace(str(folder), "DISK") for line in found.stderr.splitlines() if "Training:" not in line]
        result: dict[str, Any] = {"exit_code": found.returncode, "told": told}
        if what == "full":
            kept = next(path for name in ("last", "previous") if (path := folder / "run" / name).exists())
            verify(kept)
            (folder / "other").unlink()
            again = subprocess.run(run, capture_output=True, text=True, check=False)
            result |= {
                "kept": kept.name,
                "exit_code_with_room": again.returncode,
                "goes_on": "Going on" in again.stderr,
            }
    return result


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=["kill", "disk"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    if options.fault == "kill":
        wanted: list[Line] = [{"fault": "kill", "kills": options.kills, "processes": options.processes, "seed": 0}]
    else:
        wanted = [{"fault": "disk", "what": what} for what in ("full", "read-only")]
    for line in complete(options.out, measure, wanted):
        print(line)


def measure(fault: str, **settings: Any) -> Line:  # noqa: ANN401 (of either)
    """The measurement of either fault."""
    return kill(**settings) if fault == "kill" else disk(**settings)


if __name__ == "__main__":
    main()
