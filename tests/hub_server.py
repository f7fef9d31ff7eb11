"""A Hugging Face hub on the loopback device, for the real client with HF_ENDPOINT."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "token-that-may-write"


@dataclass
class Repository:
    """A repository with one commit.

    Attributes:
        commit: 40 hexadecimal digits.
        files: path -> content.
        branches: other names of the commit.
        is_gated: whether files need a token.
        is_private: whether it is there only for those who may write.
        announced: path -> SHA-256 that the hub announces, where it is not the content's.
        cut: paths whose content breaks off in the middle when it is first asked for.
        broken: paths whose content cannot be had.
    """

    commit: str
    files: dict[str, bytes]
    branches: Collection[str] = ()
    is_gated: bool = False
    is_private: bool = False
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


def python(
    *arguments: str, prefix: Iterable[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python where only `environment` tells the hub's client what to do."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [*prefix, sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=outside | environment)


def files_in(folder: Path) -> dict[str, bytes]:
    """A folder's content as a repository's files."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@contextmanager
def serve(repositories: dict[str, Repository]) -> Iterator[Hub]:
    """Serve repositories, by `owner/name` (of a data set: `datasets/owner/name`).

    Who has `TOKEN` may make repositories of models and upload to them: safetensors by Git LFS,
    other files in the commit.
    """
    requests: list[str] = []
    large_files: dict[str, bytes] = {}  # by SHA-256

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            path, body = self.path.partition("?")[0], self._body()
            found = re.fullmatch(
                r"/(?:api/models/)?(.+?)(?:\.git/info/lfs/objects)?/"
                r"(validate-yaml|create|preupload|batch|commit)(?:/main)?",
                path,
            )
            name, verb = found.groups()
            if verb == "validate-yaml":
                return self._send_json({})
            if not self._may_write():
                return self._refuse(403, "")
            if verb == "create":
                return self._create(json.loads(body))
            if verb == "commit":
                return self._commit(name, [json.loads(line) for line in body.splitlines()])
            if verb == "batch":
                href = f"{endpoint()}/lfs/"
                objects = json.loads(body)["objects"]
                answer = [o | {"actions": {"upload": {"href": href + o["oid"]}}} for o in objects]
                return self._send_json({"objects": answer})
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = {p: "lfs" if p.endswith(".safetensors") else "regular" for p in paths}
            answer = [{"path": p, "uploadMode": modes[p], "shouldIgnore": False} for p in paths]
            self._send_json({"files": answer})

        def do_PUT(self) -> None:
            content = self._body()
            assert self.path == f"/lfs/{hashlib.sha256(content).hexdigest()}"
            large_files[self.path.removeprefix("/lfs/")] = content
            self._send(200, b"")

        def _may_write(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {TOKEN}"

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _create(self, wanted: dict) -> None:
            name = f"{wanted['organization']}/{wanted['name']}"
            is_new = name not in repositories
            if is_new:
                is_private = wanted["visibility"] == "private"
                repositories[name] = Repository("0" * 40, {}, ["main"], is_private=is_private)
            self._send_json({"url": f"{endpoint()}/{name}"}, 200 if is_new else 409)

        def _commit(self, name: str, lines: list[dict]) -> None:
            repository = repositories[name]
            for value in (line["value"] for line in lines if line["key"] == "file"):
                repository.files[value["path"]] = base64.b64decode(value["content"])
            for value in (line["value"] for line in lines if line["key"] == "lfsFile"):
                repository.files[value["path"]] = large_files[value["oid"]]
            repository.commit = hashlib.sha1(json.dumps(lines).encode()).hexdigest()
            url = f"{endpoint()}/{name}/commit/{repository.commit}"
            self._send_json({"commitUrl": url, "commitOid": repository.commit})

        def log_message(self, *arguments: object) -> None:
            asked = self.headers.get("Range")
            requests.append(f"{self.command} {self.path}" + (f" {asked}" if asked else ""))

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            found = re.fullmatch(r"/(?:api/)?(.+?)/(resolve|revision|tree)/([^/]+)/?(.*)", path)
            name, verb, revision, file = found.groups() if found else ("", "", "", "")
            about = path.removeprefix("/api/models/")
            repository = repositories.get(name or about)
            if repository is None or (repository.is_private and not self._may_write()):
                self._refuse(404, "RepoNotFound")
            elif not name:
                self._send_json({"id": about, "private": repository.is_private})
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
                return self._send_json(answer | {"siblings": siblings})
            files = [
                {
                    "type": "file",
                    "path": path,
                    "size": len(content),
                    "oid": hashlib.sha1(content).hexdigest(),
                }
                for path, content in repository.files.items()
            ]
            self._send_json(files)

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

        def _send_json(self, answer: dict | list, status: int = 200) -> None:
            self._send(status, json.dumps(answer).encode())

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
            if self.command != "HEAD":
                self.wfile.write(content[:sent])

    def endpoint() -> str:
        return f"http://127.0.0.1:{server.server_port}"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Hub(endpoint(), requests)
    finally:
        server.shutdown()
        server.server_close()
