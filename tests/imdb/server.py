"""A web server on this machine that serves one file, in ways that go wrong on demand."""

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
    """All the bytes of an answer, status line and headers too."""

    content: bytes


@dataclass
class Behaviour:
    """What the server does; each entry of `faults` spoils one request, then all is well.

    It sends `piece` bytes at a time, `pause` seconds apart.

    Faults: an int closes the connection after so many bytes; "503" and the like answer with that
    status; "stall" sends nothing for a second; a bytes object is sent in place of the file, an
    `Answer` in place of all.
    """

    content: bytes
    ranges: bool = True
    piece: int = 1 << 30
    pause: float = 0
    faults: list[int | str | bytes | Answer] = field(default_factory=list)
    requests: list[str | None] = field(default_factory=list)  # the Range header of each


@contextmanager
def serve(behaviour: Behaviour, certificate: Path | None = None) -> Iterator[str]:
    """Serve `behaviour.content` on a free port; give its address, HTTPS with a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            behaviour.requests.append(wanted)
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
            body = body[:fault] if isinstance(fault, int) else body
            with suppress(ConnectionError):  # a client that was killed
                for place in range(0, len(body), behaviour.piece):
                    self.wfile.write(body[place : place + behaviour.piece])
                    time.sleep(behaviour.pause)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        scheme = "https" if certificate else "http"
        yield f"{scheme}://127.0.0.1:{server.server_port}/archive.tar.gz"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certify(path: Path) -> Path:
    """Write a key and a certificate for this machine that nobody but itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made up")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
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
        + signed.public_bytes(pem)
    )
    return path
