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

from benchmarks.archive_faults import files_of, pictures
from benchmarks.lines import Line, complete
from glowflow.stored import StoredModel

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "2 threads": {"OMP_NUM_THREADS": "2"},
    "torch without vector instructions": {"ATEN_CPU_CAPABILITY": "default"},
    "torch with AVX2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "oneDNN with SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "oneDNN with AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    "MKL in compatible mode": {"MKL_CBWR": "COMPATIBLE"},
    "MKL for AVX2, dynamic": {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "MKL_DYNAMIC": "TRUE"},
    "NumPy without AVX": {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3", "OPENBLAS_CORETYPE": "Nehalem"},
}
TIME = 1_700_000_000_123_456_789
"""When each file was last changed."""


def measure(model: str, torch_version: str, environment: str, python: str) -> Line:
    """The digest of an archive, and if the environment reads another one."""
    given = ENVIRONMENTS[environment]
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        pictures(StoredModel.open(model).config, home / "folder")
        for path in (home / "folder").iterdir():
            os.utime(path, ns=(TIME, TIME))
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
    options = parser.parse_args()
    common = {"torch_version": version_of(options.python)}
    wanted = [common | {"model": model, "environment": name} for model in options.models for name in ENVIRONMENTS]
    for line in complete(options.out, lambda **settings: measure(python=options.python, **settings), wanted):
        told = "the same bytes" if line["is_the_same"] else "OTHER BYTES"
        read = "reads the first" if line["reads_the_first"] else "DOESN'T READ THE FIRST"
        print(f"{line['model']}, torch {line['torch_version']}, {line['environment']}: {told}, {read}")


if __name__ == "__main__":
    main()
