"""A stand-in for the Hugging Face hub: one data set over HTTP, as its client asks for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

COMMIT = "a" * 40


@contextmanager
def hub(repository: str, root: Path) -> Iterator[str]:
    """The address under which the files below `root` are the data set `repository`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = urlparse(self.path).path
            about, files = f"/api/datasets/{repository}", f"/datasets/{repository}/resolve/"
            if path in (about, f"{about}/revision/{COMMIT}"):
                self.answer({"id": repository, "sha": COMMIT, "siblings": []})
            elif path.startswith(f"{about}/tree/{COMMIT}"):
                folder = root / path.removeprefix(f"{about}/tree/{COMMIT}").strip("/")
                if folder.is_dir():
                    self.answer([entry(one) for one in sorted(folder.iterdir())])
                else:
                    self.missing()
            elif path.startswith(files):
                file = root / path.removeprefix(files).partition("/")[2]
                self.send(file.read_bytes()) if file.is_file() else self.missing()
            else:
                self.missing()

        do_HEAD = do_GET  # noqa: N815 - as the library has it

        def answer(self, value: Any) -> None:
            self.send(json.dumps(value).encode())

        def missing(self) -> None:
            self.send(b"", 404)

        def send(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{sha256(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if status == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def entry(path: Path) -> dict[str, Any]:
        kind = "directory" if path.is_dir() else "file"
        name = path.relative_to(root).as_posix()
        digest = sha256(name.encode()).hexdigest()[:40]
        size = 0 if path.is_dir() else path.stat().st_size
        return {"type": kind, "path": name, "size": size, "oid": digest}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
