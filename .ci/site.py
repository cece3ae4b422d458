"""What MkDocs needs to know of this repository: pages link to files outside of docs/, which the site doesn't have.

Pictures among them are taken into the site. Links to other files become their names.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PICTURES = {".png", ".webp", ".gif", ".svg"}
OUTSIDE = re.compile(r'(?P<before>\]\(|src=")\.\./(?P<path>[^)"#]+)(?P<anchor>#[^)"]*)?(?P<after>[)"])')
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\(\.\./(?P<path>[^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401 (MkDocs' own types)
    """The text of a page, with links that lead within the site."""
    for match in OUTSIDE.finditer(markdown):
        path = match["path"]
        if Path(path).suffix in PICTURES and files.get_file_from_path(path) is None:
            files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    up = "../" * page.file.src_path.count("/")
    markdown = LINK.sub(lambda link: _linked(link, up), markdown)
    return OUTSIDE.sub(lambda match: f"{match['before']}{up}{match['path']}{match['after']}", markdown)


def _linked(link: re.Match[str], up: str) -> str:
    """A link to a picture of the site, or the name of a file of the repository."""
    if Path(link["path"]).suffix in PICTURES:
        return f"[{link['text']}]({up}{link['path']})"
    return f"{link['text']} (`{link['path']}`)" if link["path"] not in link["text"] else link["text"]
