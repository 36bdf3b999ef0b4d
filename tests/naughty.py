"""A web server on the loopback address that misbehaves on demand, for the tests of the downloader."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What the server has (`files`), how it behaves at each request (`plan`), and what it did (`log`).

    `plan[path]` is a list of names, one for each request to come; when it is used up, or `always[path]` is
    not set, the server behaves well: it honours `Range` and `If-Range` and sends lengths and ETags.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.plan: dict[str, list[str]] = defaultdict(list)
        self.always: dict[str, str] = {}
        self.log: list[dict] = []
        self.url = ""
        self.enough = threading.Event()  # ends all stalls

    def sent(self, path: str) -> list[int]:
        """The bytes of each answer's body, as far as they were written."""
        return [entry["sent"] for entry in self.log if entry["path"] == path]

    def asked(self, path: str) -> list[str | None]:
        """The Range of each request."""
        return [entry["range"] for entry in self.log if entry["path"] == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        site: Site = self.server.site
        path = self.path if self.path.startswith("/") else "/" + self.path.split("/", 3)[3]
        self.entry = {"path": path, "range": self.headers["Range"], "sent": 0, "line": self.path}
        self.entry["if_range"] = self.headers["If-Range"]
        site.log.append(self.entry)
        plan = site.plan[path]
        behaviour = plan.pop(0) if plan else site.always.get(path, "well")
        name, _, argument = behaviour.partition(" ")
        self.close_connection = name != "well"
        if path not in site.files and name == "well":
            name, argument = "status", "404"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, name)(site.files.get(path, b""), argument)

    def put(self, data: bytes) -> None:
        """Write some of the body, and count it."""
        for start in range(0, len(data), 1 << 14):
            self.wfile.write(data[start : start + (1 << 14)])
            self.entry["sent"] += len(data[start : start + (1 << 14)])
        self.wfile.flush()

    def head(self, status: int, length: int | None, **fields: str) -> None:
        self.entry["status"] = status
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for key, value in fields.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def begin(self, data: bytes) -> bytes:
        """The head of a good answer; returns the body that should follow."""
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        wanted, same = self.headers["Range"], self.headers["If-Range"] in (None, tag)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and same else 0
        if start and start >= len(data):
            self.head(416, 0, Content_Range=f"bytes */{len(data)}")
            return b""
        if start:
            place = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.head(206, len(data) - start, Content_Range=place, ETag=tag)
        else:
            self.head(200, len(data), ETag=tag)
        return data[start:]

    # --- the ways to behave: each gets the file and its argument -------------------------------------------

    def well(self, data: bytes, _: str) -> None:
        self.put(self.begin(data))

    def cut(self, data: bytes, share: str) -> None:
        """Close in the middle of the body."""
        body = self.begin(data)
        self.put(body[: int(len(body) * float(share or 0.5))])

    def ignores_range(self, data: bytes, _: str) -> None:
        """200 and everything, whatever was asked."""
        self.head(200, len(data))
        self.put(data)

    def ignores_range_and_cuts(self, data: bytes, _: str) -> None:
        self.head(200, len(data))
        self.put(data[: len(data) // 2])

    def wrong_piece(self, data: bytes, _: str) -> None:
        """206 with the beginning instead of the rest."""
        self.head(206, len(data), Content_Range=f"bytes 0-{len(data) - 1}/{len(data)}")
        self.put(data)

    def nameless_piece(self, data: bytes, _: str) -> None:
        """206 that does not say which part it is."""
        self.head(206, len(data) - 7)
        self.put(data[7:])

    def other_piece(self, data: bytes, _: str) -> None:
        """The right place of another version of the file, as from a server that knows no If-Range."""
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        place = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.head(206, len(data) - start, Content_Range=place, ETag='"another"')
        self.put(bytes(len(data) - start))

    def status(self, _: bytes, code: str) -> None:
        self.head(int(code), 4, Retry_After="0")
        self.put(b"oops")

    def spoilt(self, data: bytes, _: str) -> None:
        """The right length, and one wrong byte."""
        self.head(200, len(data))
        self.put(data[:-1] + bytes([data[-1] ^ 1]))

    def short(self, data: bytes, _: str) -> None:
        """No Content-Length, and half of the file."""
        self.head(200, None, Connection="close")
        self.put(data[: len(data) // 2])

    def long(self, data: bytes, _: str) -> None:
        """No Content-Length, and more than the file."""
        self.head(200, None, Connection="close")
        self.put(data * 3)

    def offers_more(self, data: bytes, _: str) -> None:
        self.head(200, 2 * len(data))
        self.put(data * 2)

    def chunked(self, data: bytes, _: str) -> None:
        """No length, but marked pieces, with an end."""
        self.head(200, None, Transfer_Encoding="chunked")
        for start in range(0, len(data), 50_000):
            piece = data[start : start + 50_000]
            self.put(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.put(b"0\r\n\r\n")

    def page(self, _: bytes, __: str) -> None:
        """A log-in page, with 200."""
        text = b"<!doctype html><html>Please accept our terms</html>"
        self.head(200, len(text), Content_Type="text/html; charset=utf-8")
        self.put(text)

    def encoded(self, data: bytes, _: str) -> None:
        self.head(200, len(data), Content_Encoding="gzip")
        self.put(data)

    def leads(self, _: bytes, target: str) -> None:
        self.head(302, 0, Location=target, Connection="close")

    def stalls(self, data: bytes, _: str) -> None:
        """Half of it, then nothing, and the connection stays open."""
        body = self.begin(data)
        self.put(body[: len(body) // 2])
        self.server.site.enough.wait(20)

    def silent(self, _: bytes, __: str) -> None:
        """No answer at all."""
        self.server.site.enough.wait(20)

    def garbles(self, data: bytes, _: str) -> None:
        """Over TLS: in the middle something that is not encrypted, as from a broken router."""
        body = self.begin(data)
        self.put(body[: len(body) // 2])
        os.write(self.connection.fileno(), bytes(64))

    def drips(self, data: bytes, pause: str) -> None:
        """All of it, slowly."""
        body = self.begin(data)
        for start in range(0, len(body), 1 << 14):
            self.put(body[start : start + (1 << 14)])
            if self.server.site.enough.wait(float(pause)):
                return

    def gibberish(self, _: bytes, __: str) -> None:
        """Not HTTP."""
        self.wfile.write(b"I am no web server\r\n\r\n")


@contextlib.contextmanager
def serving(wrap: object = None) -> Iterator[Site]:
    """A site that is being served; with `wrap` (an ssl.SSLContext) over TLS."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close, server.site = True, False, site
    if wrap is not None:
        server.socket = wrap.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'s' if wrap else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.enough.set()
        server.shutdown()
        server.server_close()
