"""The explorer's server: this machine alone, one reader with the token, nothing but reading."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pyrogen.files import first_line, reason
from pyrogen.inference.explorer.view import View

HOST = "127.0.0.1"
LONGEST = 10_000_000  # characters of a code
# nothing from elsewhere is loaded, and nobody may frame the page
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Explorer(ThreadingHTTPServer):
    """Serves one :class:`~pyrogen.inference.explorer.view.View` on 127.0.0.1 to whoever has the token.

    Args:
        view: what is shown.
        port: where; 0 takes a free one.

    Raises:
        OSError: the port is in use.
    """

    daemon_threads = True
    timeout = 0.5  # seconds after which one who waits for a request looks around

    def __init__(self, view: View, port: int = 0) -> None:
        self.view, self.token = view, secrets.token_urlsafe(16)
        self.page = files("pyrogen.inference.explorer").joinpath("page.html").read_bytes()
        super().__init__((HOST, port), _Answers)

    @property
    def url(self) -> str:
        """Where the page is, token included."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def answer(self, path: str, asked: Mapping[str, str], code: str = "") -> tuple[str, bytes]:
        """The type and the content of what a path means.

        Args:
            path: of the address.
            asked: its query.
            code: the numbers to decode; they are no part of an address, which may not be as long as a picture's latents.

        Raises:
            LookupError: nothing is there.
            ValueError: what was asked means nothing.
        """
        answers: dict[str, Callable[[], Any]] = {
            "/state": self.view.state,
            "/decode": lambda: self.view.decode([float(v) for v in code.split(",")], int(asked.get("given", 0))),
            "/datum": lambda: self.view.datum(int(asked["i"])),
        }
        if path == "/":
            return "text/html; charset=utf-8", self.page
        found = answers[path]
        try:
            return "application/json", json.dumps(found(), allow_nan=False).encode()
        except RuntimeError as error:
            raise ValueError(reason(error)) from error


class _Answers(BaseHTTPRequestHandler):
    server: Explorer

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) <= LONGEST:
            self._answer(self.rfile.read(int(length)).decode("ascii", "replace"))
        else:
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "text/plain", b"too long\n")

    def _answer(self, code: str) -> None:
        address = urlsplit(self.path)
        asked = {k: v[0] for k, v in parse_qs(address.query).items()}
        # a page of another origin that a browser was lured to reaches this port under its own name
        own = self.headers.get("Host") == f"{HOST}:{self.server.server_port}"
        if not own or not hmac.compare_digest(asked.get("token", "").encode(), self.server.token.encode()):
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"open the address that pyrogen explore printed\n")
            return
        try:
            self._send(HTTPStatus.OK, *self.server.answer(address.path, asked, code))
        except LookupError:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"nothing is here\n")
        except ValueError as error:
            self._send(HTTPStatus.BAD_REQUEST, "text/plain; charset=utf-8", f"{first_line(error)}\n".encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: every move of the pointer asks."""
