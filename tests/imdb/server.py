"""A local web server that serves one file and fails on demand."""

import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Answer:
    """All bytes of an answer, including the status line and headers."""

    content: bytes


@dataclass
class Behaviour:
    """What the server does.

    Attributes:
        content: The file.
        ranges: Whether requests for a range are supported.
        piece: Number of bytes to send at a time.
        pause: Seconds between two pieces.
        faults: Each entry spoils one request. An int closes the connection after that number of
            bytes; a string such as "503" answers with that status; "stall" sends nothing for a
            second; bytes are sent instead of the file; an `Answer` replaces the whole answer.
        requests: The Range header of each request.
    """

    content: bytes
    ranges: bool = True
    piece: int = 1 << 30
    pause: float = 0
    faults: list[int | str | bytes | Answer] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)


@contextmanager
def serve(behaviour: Behaviour, certificate: Path | None = None) -> Iterator[str]:
    """Serve `behaviour.content` on a free port and yield its URL; with a certificate, use HTTPS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested_range = self.headers.get("Range")
            behaviour.requests.append(requested_range)
            fault = behaviour.faults.pop(0) if behaviour.faults else None
            if isinstance(fault, Answer):
                self.wfile.write(fault.content)
                return
            content = fault if isinstance(fault, bytes) else behaviour.content
            if fault == "stall":
                time.sleep(1)
                return
            if isinstance(fault, str):
                self.send_error(int(fault))
                return
            start = 0
            if requested_range and behaviour.ranges:
                start = int(requested_range.removeprefix("bytes=").removesuffix("-"))
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
            body = body[:fault] if isinstance(fault, int) else body
            with suppress(ConnectionError):  # the client was killed
                for offset in range(0, len(body), behaviour.piece):
                    self.wfile.write(body[offset : offset + behaviour.piece])
                    time.sleep(behaviour.pause)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # A short interval, because `shutdown` waits for the end of one.
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        scheme = "https" if certificate else "http"
        yield f"{scheme}://127.0.0.1:{server.server_port}/archive.tar.gz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certify(path: Path) -> Path:
    """Write a key and a self-signed certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made up")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return path
