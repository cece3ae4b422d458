"""The Python of the documentation's pages and notebooks, each run as a reader would."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
APART = {"parts.md", "datasets.md", "hub.md", "demo.md", "export.md"}
"""Pages whose code needs more: see test_own_parts.py, test_data_published.py, test_hub.py, test_export.py, the demo."""
SHORTER = {
    "< 32_000": "< 64",
    "range(1000)": "range(2)",
    "fit(model, digits)": "fit(model, digits.thinned(50))",
    "IMAGES = 4_000": "IMAGES = 400",
}


def python(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


PAGES = [page for page in sorted(DOCS.rglob("*.md")) if python(page) and page.name not in APART]
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.py"))


def run(code: str, folder: Path) -> str:
    for long, short in SHORTER.items():
        code = code.replace(long, short)
    command = [sys.executable, "-W", "error", "-c", code]
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert not found.returncode, found.stderr
    return found.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page(page: Path, tmp_path: Path) -> None:
    run(python(page), tmp_path)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.name)
def test_a_notebook(notebook: Path, tmp_path: Path) -> None:
    assert run(notebook.read_text(encoding="utf-8"), tmp_path)  # it prints what it found


def test_the_python_of_the_page_on_the_demo(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "glowflow", "demo", "faces", "--port", port]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            assert port in server.stderr.readline()
            run(python(DOCS / "demo.md").replace("8000", port), tmp_path)
        finally:
            server.terminate()
    assert (tmp_path / "seven.png").is_file()


def test_there_are_pages_and_notebooks() -> None:
    assert {"index.md", "concepts.md", "library.md", "scores.md"} <= {page.name for page in PAGES}
    assert {"coupling.py", "digits.py", "latents.py"} == {notebook.name for notebook in NOTEBOOKS}
