"""Imports go down only, and the package is light to import."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_python(code: str, folder: Path = ROOT) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_imports_go_down_only() -> None:
    pytest.importorskip("importlinter")
    script = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([script, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_importing_the_package_and_the_command_line_does_not_import_torch() -> None:
    code = "import sys, glowflow, glowflow.cli; print('torch' in sys.modules, 'numpy' in sys.modules)"
    assert run_python(code).split() == ["False", "False"]


def test_what_only_some_need_is_not_imported() -> None:
    some = "{'mlxtend', 'skimage', 'sklearn', 'matplotlib', 'torchvision', 'tensorboard', 'huggingface_hub'}"
    modules = "glowflow.model, glowflow.training, glowflow.evaluate, glowflow.data"
    assert run_python(f"import sys, {modules}; print({some} & set(sys.modules))").strip() == "set()"


def test_a_training_does_not_import_the_compiler(home: Path) -> None:
    """It takes as long to import as all of torch otherwise."""
    code = """
import sys
from glowflow.cli import main
again = ["--train.images", "64"]
print(*[main(["train", "tiny.yaml", "--out", "new", *more]) for more in ([], again)], "torch._dynamo" in sys.modules)
"""
    assert run_python(code, home).split() == ["0", "0", "False"]


def test_lazy_names_exist() -> None:
    code = "import glowflow; print(all(hasattr(glowflow, name) for name in glowflow.__all__), glowflow.Glow.__name__)"
    assert run_python(code).split() == ["True", "Glow"]


def test_help_does_not_import_torch() -> None:
    code = """
import sys
from glowflow.cli import main
try:
    main(["train", "--help"])
finally:
    sys.stderr.write(str("torch" in sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--model.image-shape" in result.stdout
    assert result.stderr == "False"
