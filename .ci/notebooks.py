"""Notebooks as pages: each docs/notebooks/*.py is run when the site is built, and shown with its output.

The files are in the percent format, which Jupyter (by jupytext) and editors open as notebooks. A cell that begins with
`# %% [markdown]` is text; any other is code. What a cell prints, and the value of its last line, stand beneath it.
"""

import ast
import re
import tempfile
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from PIL import Image

CELL = re.compile(r"^# %%(?P<is_text> \[markdown\])?\n(?P<content>.*?)\s*(?=^# %%|\Z)", re.MULTILINE | re.DOTALL)


def on_files(files: Any, *, config: Any) -> Any:  # noqa: ANN401 (MkDocs' own types)
    """The files of the site, with a page for each notebook."""
    for file in list(files):
        if file.src_uri.startswith("notebooks/") and file.src_uri.endswith(".py"):
            page, pictures = shown(Path(file.abs_src_path).read_text(encoding="utf-8"), Path(file.src_uri).stem)
            files.append(File.generated(config, str(Path(file.src_uri).with_suffix(".md")), content=page))
            for name, content in pictures.items():
                files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


@cache
def shown(source: str, name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and its pictures by their names."""
    names: dict[str, Any] = {"__name__": "__main__"}
    parts, pictures = [], {}
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for cell in CELL.finditer(source):
            if cell["is_text"]:
                parts.append(re.sub(r"^# ?", "", cell["content"], flags=re.MULTILINE))
                continue
            printed, value = _run(cell["content"], names)
            parts.append(f"```python\n{cell['content']}\n```")
            if printed:
                parts.append(f"``` {{ .text .output }}\n{printed.rstrip()}\n```")
            if isinstance(value, Image.Image):
                picture = f"{name}-{len(pictures) + 1}.png"
                pictures[picture] = _png(value)
                parts.append(f"![What the code above draws]({picture})")
    parts.insert(1, f"This page is [a notebook]({name}.py) that is run whenever the site is built.")
    return "\n\n".join(parts), pictures


def _run(code: str, names: dict[str, Any]) -> tuple[str, object]:
    """Run a cell; what it prints, and the value of its last line where that is an expression."""
    *body, last = ast.parse(code).body
    has_value = isinstance(last, ast.Expr)
    with redirect_stdout(StringIO()) as printed, redirect_stderr(printed):
        exec(compile(ast.Module([*body, *([] if has_value else [last])], []), "cell", "exec"), names)  # noqa: S102
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names) if has_value else None  # noqa: S307
    if value is not None and not isinstance(value, Image.Image):
        return f"{printed.getvalue()}{value!r}\n", None
    return printed.getvalue(), value


def _png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "png", optimize=True)
    return content.getvalue()
