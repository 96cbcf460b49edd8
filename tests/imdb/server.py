"""A web server on this machine that serves one file, in ways that go wrong on demand."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Behaviour:
    """What the server does; each entry of `faults` spoils one request, then all is well.

    Faults: an int closes the connection after so many bytes; "503" and the like answer with that
    status; "stall" sends nothing for a second; a bytes object is sent in place of the file.
    """

    content: bytes
    ranges: bool = True
    faults: list[int | str | bytes] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)  # the Range header of each


@contextmanager
def serve(behaviour: Behaviour) -> Iterator[str]:
    """Serve `behaviour.content` on a free port; give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            behaviour.requests.append(wanted)
            fault = behaviour.faults.pop(0) if behaviour.faults else None
            content = fault if isinstance(fault, bytes) else behaviour.content
            if fault == "stall":
                time.sleep(1)
                return
            if isinstance(fault, str):
                self.send_error(int(fault))
                return
            start = 0
            if wanted and behaviour.ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            self.wfile.write(body[:fault] if isinstance(fault, int) else body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/archive.tar.gz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
