"""A small server on this machine that speaks as much of the Hugging Face hub's interface as models need."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar

import yaml

USER, TOKEN = "ada", "hf_of_ada"
LICENSES = {"mit", "cc-by-4.0"}


@dataclass
class Page:
    """A model on the hub."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b""})
    commits: int = 0

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr(self.files).encode()).hexdigest()  # noqa: S324 (as git does)


class Handler(BaseHTTPRequestHandler):
    """One request; large files go the way of Git LFS."""

    pages: ClassVar[dict[str, Page]]
    large: ClassVar[dict[str, bytes]]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._reply({"error": "Invalid credentials"}, 401)
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if match := re.fullmatch(r"/api/models/(.+/.+)/preupload/main", self.path):
            return self._upload_modes(match[1], json.loads(body)["files"])
        if match := re.fullmatch(r"/api/models/(.+/.+)/commit/main", self.path):
            return self._commit(match[1], [json.loads(line) for line in body.splitlines()])
        return self._upload_places(json.loads(body)["objects"])

    def do_PUT(self) -> None:
        self.large[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply({})

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            return self._file(self.pages[match[1]], match[2])
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(/tree/.+|/revision/.+)?", path)
        page = self.pages.get(match[1]) if match else None
        if match is None or page is None:
            return self._reply({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        if (match[2] or "").startswith("/tree"):
            files = page.files.items()
            return self._reply([{"type": "file", "path": n, "size": len(c), "oid": _digest(c)} for n, c in files])
        siblings = [{"rfilename": name} for name in page.files]
        return self._reply({"id": match[1], "sha": page.sha, "private": page.private, "siblings": siblings})

    do_HEAD = do_GET  # noqa: N815 (the base class looks for this name)

    def _create(self, wanted: dict[str, Any]) -> None:
        name = f"{wanted['organization']}/{wanted['name']}"
        if wanted["organization"] != USER:
            return self._reply({"error": "You don't have the rights to create a model under this namespace"}, 403)
        if name in self.pages:
            return self._reply({"error": "You already created this model repo", "url": name}, 409)
        self.pages[name] = Page(private=wanted.get("visibility") == "private" or wanted.get("private") is True)
        return self._reply({"url": f"http://{self.headers['Host']}/{name}"})

    def _validate(self, card: str) -> None:
        chosen = yaml.safe_load(card.split("---")[1] if card.startswith("---") else "{}").get("license", "mit")
        errors = [] if chosen in LICENSES else [{"message": f'"license" must be one of {sorted(LICENSES)}'}]
        self._reply({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _upload_modes(self, name: str, files: list[dict[str, Any]]) -> None:
        if not name.startswith(f"{USER}/"):
            return self._reply({"error": "Forbidden"}, 403)
        modes = {file["path"]: "lfs" if file["path"].endswith(".safetensors") else "regular" for file in files}
        files = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]
        return self._reply({"files": files})

    def _upload_places(self, objects: list[dict[str, Any]]) -> None:
        place = f"http://{self.headers['Host']}/lfs/"
        actions = [{**each, "actions": {"upload": {"href": place + each["oid"]}}} for each in objects]
        self._reply({"transfer": "basic", "objects": actions})

    def _commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        page = self.pages[name]
        for value in (line["value"] for line in lines if line["key"] == "file"):
            page.files[value["path"]] = base64.b64decode(value["content"])
        for value in (line["value"] for line in lines if line["key"] == "lfsFile"):
            page.files[value["path"]] = self.large[value["oid"]]
        for value in (line["value"] for line in lines if line["key"] == "deletedFile"):
            del page.files[value["path"]]
        page.commits += 1
        url = f"http://{self.headers['Host']}/{name}/commit/{page.sha}"
        self._reply({"commitUrl": url, "commitOid": page.sha, "success": True})

    def _file(self, page: Page, name: str) -> None:
        content = page.files[name]
        self._reply(content, headers={"ETag": f'"{_digest(content)}"', "X-Repo-Commit": page.sha})

    def _chunks(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return b""
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, content: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's)
        """Nothing is logged."""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def running() -> Iterator[tuple[str, dict[str, Page]]]:
    """A hub's address and its models by name."""
    pages: dict[str, Page] = {}
    handler = type("Handler", (Handler,), {"pages": pages, "large": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", pages
        finally:
            server.shutdown()
