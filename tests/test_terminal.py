"""Standard output that is closed, full or left by its reader: a command ends without a traceback."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(arguments: str, redirections: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The exit status and the output of a command in a shell."""
    command = f'set -o pipefail; "{sys.executable}" -m glowflow {arguments} {redirections}'
    return subprocess.run(["bash", "-c", command], cwd=home, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "redirections", "code"),
    [
        ("presets", "| head -n 1", 141),
        ("data list", "| head -n 1", 141),
        ("evaluate run", "| head -c 0", 141),
        ("score run --out /dev/fd/1", "2> /dev/null | head -c 0", 141),
        ("presets", ">&-", 0),
        ("evaluate run", ">&- 2>&-", 0),
        ("presets --help", "| head -n 1", 0),
    ],
)
def test_a_reader_that_has_gone(home: Path, arguments: str, redirections: str, code: int) -> None:
    result = run(arguments, redirections, home)
    assert result.returncode == code or (code == 141 and result.returncode == 0)  # all was written before it went
    assert result.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full")
def test_standard_output_on_a_full_disk(home: Path) -> None:
    result = run("presets", "> /dev/full", home)
    assert result.returncode == 2
    assert result.stderr == "glowflow: Input or output: No space left on device.\n"


def test_files_are_written_although_nothing_is_shown(home: Path) -> None:
    assert run("evaluate run --json result.json", ">&- 2>&-", home).returncode == 0
    assert json.loads((home / "result.json").read_text())["num_images"] == 7


def test_a_training_goes_on_where_it_cannot_be_shown(home: Path) -> None:
    assert run("train tiny.yaml --out new", "2>&1 | head -c 0", home).returncode == 0
    assert (home / "new" / "last").is_dir()
