"""A small Hugging Face hub on the loopback interface: the part of its API that downloads use."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = hashlib.sha1(b"the only commit").hexdigest()


@dataclass
class DatasetHub:
    """Serves repositories of data sets from folders, with one commit, the branch `main`.

    Attributes:
        repositories: folder of each repository by its name.
        gated: repositories whose files need a token.
        cut: files that break off in the middle when they are first asked for.
        broken: files that cannot be had.
        requests: what was asked for: method, path and range.
    """

    repositories: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def __enter__(self) -> DatasetHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def downloads(self) -> list[str]:
        """Names of the files that were sent, in part or whole."""
        return [path.rpartition("/")[2] for method, path, _ in self.requests if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    hub: DatasetHub

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *arguments: object) -> None:
        """Nothing: the terminal belongs to the tests."""

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        found = re.match(
            r"(/api)?/datasets/([^/]+/[^/]+)/(revision|tree|resolve)/([^/]+)/?(.*)", path
        )
        if not found or found[2] not in self.hub.repositories:
            return self._refuse(404, "RepoNotFound")
        _, repository, verb, revision, rest = found.groups()
        if revision not in ("main", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        folder = self.hub.repositories[repository]
        if verb == "resolve":
            return self._send_file(repository, folder / rest)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        entries = [
            {
                "type": "file",
                "path": file.relative_to(folder).as_posix(),
                "size": file.stat().st_size,
                "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
            }
            for file in files
        ]
        siblings = [{"rfilename": entry["path"]} for entry in entries]
        info = {"_id": "1", "id": repository, "sha": COMMIT, "siblings": siblings}
        self._send(200, json.dumps(entries if verb == "tree" else info).encode())

    def _send_file(self, repository: str, file: Path) -> None:
        if repository in self.hub.gated and "Authorization" not in self.headers:
            return self._refuse(403, "GatedRepo")
        if not file.is_file():
            return self._refuse(404, "EntryNotFound")
        if file.name in self.hub.broken and self.command == "GET":
            return self._refuse(500, "")
        content = file.read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        first = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if first and self.command == "GET":
            start, end = int(first[1]), len(content) - 1
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            return self._send(206, content[start:], headers)
        if file.name in self.hub.cut and self.command == "GET":
            self.hub.cut.remove(file.name)
            self.close_connection = True
            return self._send(200, content, headers, sent=len(content) // 2)
        self._send(200, content, headers)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(
        self, status: int, content: bytes, headers: dict[str, str] | None = None, sent: int = -1
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:sent] if sent >= 0 else content)
