"""A Hugging Face hub on the loopback device, for the real client with HF_ENDPOINT."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Repository:
    """A repository with one commit.

    Attributes:
        commit: 40 hexadecimal digits.
        files: path -> content.
        branches: other names of the commit.
        is_gated: whether files need a token.
        announced: path -> SHA-256 that the hub announces, where it is not the content's.
        cut: paths whose content breaks off in the middle when it is first asked for.
        broken: paths whose content cannot be had.
    """

    commit: str
    files: dict[str, bytes]
    branches: Collection[str] = ()
    is_gated: bool = False
    announced: dict[str, str] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)


@dataclass
class Hub:
    """A running server: its address, and the requests it has answered."""

    endpoint: str
    requests: list[str]

    def environment(self, home: Path) -> dict[str, str]:
        """Variables for a process that talks to this hub, with its cache in `home`."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }


def files_in(folder: Path) -> dict[str, bytes]:
    """A folder's content as a repository's files."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """Serve repositories, by `owner/name` (of a data set: `datasets/owner/name`)."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, *arguments: object) -> None:
            asked = self.headers.get("Range")
            requests.append(f"{self.command} {self.path}" + (f" {asked}" if asked else ""))

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            found = re.fullmatch(r"/(?:api/)?(.+?)/(resolve|revision|tree)/([^/]+)/?(.*)", path)
            name, verb, revision, file = found.groups() if found else ("", "", "", "")
            repository = repositories.get(name)
            if repository is None:
                self._refuse(404, "RepoNotFound")
            elif revision not in (repository.commit, *repository.branches):
                self._refuse(404, "RevisionNotFound")
            elif verb == "resolve":
                self._send_file(repository, file)
            else:
                self._send_list(name, repository, verb)

        def _send_list(self, name: str, repository: Repository, verb: str) -> None:
            if verb == "revision":
                siblings = [{"rfilename": path} for path in repository.files]
                identity = name.removeprefix("datasets/")
                answer = {"_id": "1", "id": identity, "sha": repository.commit}
                return self._send(200, json.dumps(answer | {"siblings": siblings}).encode())
            files = [
                {
                    "type": "file",
                    "path": path,
                    "size": len(content),
                    "oid": hashlib.sha1(content).hexdigest(),
                }
                for path, content in repository.files.items()
            ]
            self._send(200, json.dumps(files).encode())

        def _send_file(self, repository: Repository, file: str) -> None:
            if repository.is_gated and "Authorization" not in self.headers:
                return self._refuse(403, "GatedRepo")
            if file not in repository.files:
                return self._refuse(404, "EntryNotFound")
            is_get = self.command == "GET"
            if is_get and file in repository.broken:
                return self._refuse(500, "")
            content = repository.files[file]
            sha256 = repository.announced.get(file) or hashlib.sha256(content).hexdigest()
            headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{sha256}"'}
            asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if is_get and asked:
                start, end = int(asked[1]), len(content) - 1
                headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
                return self._send(206, content[start:], headers)
            if is_get and file in repository.cut:
                repository.cut.remove(file)
                self.close_connection = True
                return self._send(200, content, headers, len(content) // 2)
            self._send(200, content, headers)

        def _refuse(self, status: int, code: str) -> None:
            self._send(status, b"", {"X-Error-Code": code})

        def _send(
            self,
            status: int,
            content: bytes,
            headers: dict[str, str] | None = None,
            sent: int | None = None,
        ) -> None:
            self.send_response(status)
            for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content[:sent])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        server.server_close()
