"""A Hugging Face hub on the loopback device, for the real client with HF_ENDPOINT."""

from __future__ import annotations

import hashlib
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
        is_gated: whether access is refused.
        announced: path -> SHA-256 that the hub announces, where it is not the content's.
    """

    commit: str
    files: dict[str, bytes]
    branches: Collection[str] = ()
    is_gated: bool = False
    announced: dict[str, str] = field(default_factory=dict)


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


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """Serve repositories, by `owner/name` (of a data set: `datasets/owner/name`)."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def log_message(self, *arguments: object) -> None:
            requests.append(f"{self.command} {self.path}")

        def _answer(self, with_content: bool) -> None:
            name, _, rest = self.path.lstrip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            repository = repositories.get(name)
            if repository is None:
                return self._refuse(404, "RepoNotFound")
            if repository.is_gated:
                return self._refuse(403, "GatedRepo")
            if revision not in (repository.commit, *repository.branches):
                return self._refuse(404, "RevisionNotFound")
            if file not in repository.files:
                return self._refuse(404, "EntryNotFound")
            content = repository.files[file]
            sha256 = repository.announced.get(file) or hashlib.sha256(content).hexdigest()
            self.send_response(200)
            self.send_header("X-Repo-Commit", repository.commit)
            self.send_header("ETag", f'"{sha256}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if with_content:
                self.wfile.write(content)

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        server.shutdown()
        server.server_close()
