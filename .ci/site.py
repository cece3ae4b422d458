"""What MkDocs needs to know of this repository, whose pages are to be read on GitHub too.

Pages link to files outside of docs/, which the site doesn't have. Pictures among them are taken into the site. Links to
other files become their names. Links to a notebook's file lead to its page, and names of classes to the reference.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PICTURES = {".png", ".webp", ".gif", ".svg"}
NOTEBOOK = re.compile(r"(?<=\]\()((?:\.\./)?notebooks/\w+)\.py(?=\))")
CLASS = re.compile(r"(?<!\[)`(glowflow\.(?:bijections|conditioners|dequantizers|execution)\.([A-Z]\w*))`")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401 (MkDocs' own types)
    """The text of a page, with links that lead within the site."""
    markdown = CLASS.sub(r"[`\2`][\1]", NOTEBOOK.sub(r"\1.md", markdown))
    up = "../" * page.file.src_uri.count("/")  # to docs/, which is the site
    outside = re.escape(f"{up}../")
    for match in re.finditer(rf'(?:\]\(|src="){outside}(?P<path>[^)"#]+)', markdown):
        path = match["path"]
        if Path(path).suffix in PICTURES and files.get_file_from_path(path) is None:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    link = re.compile(rf"\[(?P<text>[^\]]+)\]\({outside}(?P<path>[^)#]+)(?:#[^)]*)?\)")
    markdown = link.sub(lambda match: _linked(match, up), markdown)
    return re.sub(rf'(\]\(|src="){outside}', rf"\g<1>{up}", markdown)


def _linked(link: re.Match[str], up: str) -> str:
    """A link to a picture of the site, or the name of a file of the repository."""
    if Path(link["path"]).suffix in PICTURES:
        return f"[{link['text']}]({up}{link['path']})"
    return f"{link['text']} (`{link['path']}`)" if link["path"] not in link["text"] else link["text"]
