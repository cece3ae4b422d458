"""What docs/library.md shows, done as its reader would."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
SHORTER = {"< 32_000": "< 64", "range(1000)": "range(2)", "fit(model, digits)": "fit(model, digits.thinned(50))"}


def test_the_python_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    for long, short in SHORTER.items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    found: dict[str, object] = {}
    exec(code, found)  # noqa: S102 (of our own page)
    assert Path("my-model/model.safetensors").is_file()
    assert {"result", "finer", "edited"} <= set(found)
