"""Do other threads, instruction sets and versions of torch make the same archive, byte for byte, and read it?

    python -m benchmarks.archive_environments results/compression/environments.jsonl runs/digits
    python -m benchmarks.archive_environments results/compression/environments.jsonl runs/digits --python OTHER

Each environment makes an archive of the same folder, which has a digest, and reads an archive that the first one made.
`--python` names an interpreter with another version of torch; the first archive is made with this one.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from benchmarks.archive_faults import files_of
from benchmarks.compression import opened, values_of, written
from benchmarks.lines import Line, complete

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads, torch without vector instructions": {"OMP_NUM_THREADS": "2", "ATEN_CPU_CAPABILITY": "default"},
    "oneDNN with SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41"},
    "NumPy without AVX": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "OPENBLAS_CORETYPE": "Nehalem"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "MKL in compatible mode": {"MKL_CBWR": "COMPATIBLE"},
}


def measure(model: str, torch_version: str, environment: str, images: int, python: str) -> Line:
    """The digest of an archive, and if the environment reads another one."""
    given = ENVIRONMENTS[environment]
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        glow, dataset = opened(model, None, images)
        (home / "folder").mkdir()
        list(written(values_of(dataset, glow).permute(0, 2, 3, 1).numpy(), home / "folder"))
        _run(sys.executable, ENVIRONMENTS["1 thread"], "create", model, home / "folder", home / "first.glow")
        _run(python, given, "create", model, home / "folder", home / "own.glow")
        _run(python, given, "extract", model, home / "first.glow", home / "out")
        return {
            "sha256": sha256((home / "own.glow").read_bytes()).hexdigest(),
            "is_the_same": (home / "own.glow").read_bytes() == (home / "first.glow").read_bytes(),
            "reads_the_first": files_of(home / "out") == files_of(home / "folder"),
            "variables": given,
        }


def _run(python: str, variables: dict[str, str], command: str, *words: object) -> None:
    threads = ["--threads", variables["OMP_NUM_THREADS"]] if "OMP_NUM_THREADS" in variables else []
    line = [python, "-m", "glowflow", "archive", command, *map(str, words), *threads]
    subprocess.run(line, check=True, capture_output=True, env=os.environ | variables)


def version_of(python: str) -> str:
    """The version of an interpreter's torch."""
    code = "import torch; print(torch.__version__)"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--environments", type=int, default=len(ENVIRONMENTS), help="how many of them, the first ones")
    parser.add_argument("--images", type=int, default=100, help="how many test images an archive has")
    options = parser.parse_args()
    common = {"torch_version": version_of(options.python), "images": options.images}
    names = list(ENVIRONMENTS)[: options.environments]
    wanted = [common | {"model": model, "environment": name} for model in options.models for name in names]
    for line in complete(options.out, lambda **settings: measure(python=options.python, **settings), wanted):
        told = "the same bytes" if line["is_the_same"] else "OTHER BYTES"
        read = "reads the first" if line["reads_the_first"] else "DOESN'T READ THE FIRST"
        print(f"{line['model']}, torch {line['torch_version']}, {line['environment']}: {told}, {read}")


if __name__ == "__main__":
    main()
