"""Pieces of HTML. Every text in them is escaped, except for what is HTML already."""

from collections.abc import Iterable, Mapping
from html import escape


def section(name: str, title: str, content: str) -> str:
    """A section with a heading and HTML content; empty without content."""
    return f'<section id="{name}"><h2>{escape(title)}</h2>{content}</section>' if content else ""


def pairs(texts: Mapping[str, str]) -> str:
    """Names, each with a text."""
    entries = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in texts.items())
    return f"<dl>{entries}</dl>"


def bullets(texts: Iterable[str]) -> str:
    """A list; empty without texts."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return items and f"<ul>{items}</ul>"


def table(name: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table, which can be scrolled from side to side if it's too wide. Its name is for screen readers."""
    top = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    inner = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" role="region" aria-label="{escape(name)}" tabindex="0">{inner}</div>'
