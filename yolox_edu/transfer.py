"""One try at bringing a file over HTTP, on top of what earlier tries brought. Explained in chapter 19.

What came so far lies in `FILE.part`, and `FILE.part.json` says of which file it is the beginning. The next
try asks for the rest only (`Range`) and only if the file is still the same one (`If-Range`); since servers
differ in what they make of that, the answer is judged before a byte of it is kept:

    206, from where we stopped         the rest: append it
    206, from elsewhere or of another  drop what we have, and try again from the start
    200                                the whole file: start over
    416                                nothing is left to send: we have it all, or drop what we have
    408, 425, 429, 5xx, a cut, a stall try again after a pause
    everything else                    no use in trying again
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from yolox_edu.partfile import FetchError, Part, Remote, on_disk, require_space
from yolox_edu.progress import Progress

CHUNK = 1 << 14  # what is lost at most when a connection is cut
AGAIN = {408, 425, 429, 500, 502, 503, 504}
CLOSED = "; we are not let in: does the server, or a proxy, want a log-in?"
GONE = "; is this address right, or the mirror's?"
ADVICE = {401: CLOSED, 403: CLOSED, 407: CLOSED, 404: GONE, 410: GONE}


class Again(Exception):
    """This try failed, another may not. `after`: seconds the server asked for; `offline`: out of reach."""

    def __init__(self, why: str, after: float = 0.0, offline: str | None = None) -> None:
        super().__init__(why)
        self.after, self.offline = after, offline


class Session(requests.Session):
    """Follows a few redirects, but never out of HTTP, and never from HTTPS to what anybody may change.

    Several threads may share one; `stop.set()` ends whatever they fetch, with a FetchError.
    """

    def __init__(self, connections: int = 1) -> None:
        super().__init__()
        self.max_redirects, self.stop = 5, threading.Event()
        for scheme in ("http://", "https://"):  # its own retries (0) are not wanted: they know no `Range`
            self.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=0))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer leads, if it does (requests asks). Raises FetchError where we do not follow."""
        target = super().get_redirect_target(resp)
        before, after = urlsplit(resp.url).scheme, urlsplit(target or "").scheme
        if after and (after not in ("http", "https") or (before, after) == ("https", "http")):
            raise FetchError(f"{resp.url}: refused: it leads from {before} to {after} ({target:.80})")
        return target

    def pause(self, seconds: float = 0.0) -> None:
        """Wait. Raises FetchError if `stop` is set, before or meanwhile."""
        if self.stop.wait(seconds):
            raise FetchError("stopped")


def transfer(session: Session, remote: Remote, part: Part, timeout: Any, progress: Progress) -> None:
    """One try: after it `part` is whole, by size (sums are for the caller). Raises Again or FetchError."""
    headers = {"Accept-Encoding": "identity", **_resume(remote, part)}
    try:
        with session.get(remote.url, headers=headers, stream=True, timeout=timeout) as response:
            if not (response.status_code == 416 and _all_there(response.headers, part)):
                with on_disk(part.path):
                    _write(session, response, _judge(response, remote, part), part, progress)
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise Again(f"the encrypted connection broke ({_words(error)})") from error
        raise FetchError(
            f"{remote.url}: refused: the server's certificate is not valid here ({_words(error)}). Is the "
            "clock right, and does a proxy stand in between (REQUESTS_CA_BUNDLE names whom else to trust)?"
        ) from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise Again(_words(error), offline=_out_of_reach(error, remote)) from error
    except requests.RequestException as error:
        raise FetchError(f"{remote.url}: {_words(error)}") from error


def _resume(remote: Remote, part: Part) -> dict[str, str]:
    """The headers that ask for the rest; none where that would not be safe."""
    if not part.size:
        return {}
    note = part.note()
    same = note.get("url") == remote.url and note.get("validator")
    if not same and not (remote.md5 or remote.sha256):  # nobody would notice two halves of different files
        return {}
    return {"Range": f"bytes={part.size}-"} | ({"If-Range": note["validator"]} if same else {})


def _judge(response: requests.Response, remote: Remote, part: Part) -> int | None:
    """The file's whole size (None: nobody says), where the answer can be used; makes `part` ready for it."""
    status, head = response.status_code, response.headers
    if status in AGAIN:
        raise Again(f"the server answers {status} {response.reason}", after=_seconds(head.get("Retry-After")))
    if status not in (200, 206, 416):
        said = f"the server answers {status} {response.reason}{ADVICE.get(status, '')}"
        raise FetchError(f"{remote.url}: {said}")
    if status == 416 or (status == 206 and not _is_the_rest(head, remote, part)):
        part.discard()
        raise Again("the server has another piece than was asked for, or another file by now")
    if head.get("Content-Encoding", "identity") != "identity" or "text/html" in head.get("Content-Type", ""):
        raise FetchError(
            f"{remote.url}: a web page or an encoded copy came instead of the file; does a log-in page "
            "or a proxy stand in between?"
        )
    total = _number(head.get("Content-Length")) if status == 200 else _whole(head)
    if None not in (total, remote.size) and total != remote.size:
        raise FetchError(f"{remote.url}: {total:,} bytes are offered, {remote.size:,} expected: another file")
    total = total or remote.size
    if total is None and "chunked" not in head.get("Transfer-Encoding", ""):
        raise FetchError(f"{remote.url}: nobody says how long the file is, so a cut would not be noticed")
    if status == 200:
        part.start({"url": remote.url, "validator": _validator(head)})
    require_space(part.path.parent, (total or 0) - part.size)
    return total


def _is_the_rest(head: Mapping[str, str], remote: Remote, part: Part) -> bool:
    """Whether a 206 begins where we stopped, in the file that we have the beginning of."""
    found, note = re.match(r"bytes (\d+)-\d+/", head.get("Content-Range", "")), part.note()
    before, now = note.get("validator"), _validator(head)
    changed = note.get("url") == remote.url and None not in (before, now) and before != now
    return found is not None and int(found[1]) == part.size and not changed


def _write(
    session: Session, response: requests.Response, total: int | None, part: Part, progress: Progress
) -> None:
    """Append the body."""
    progress.begin(part.size, total)
    with part.path.open("ab") as file:
        for chunk in response.iter_content(CHUNK):
            session.pause()  # if all is to be stopped, it is here
            file.write(chunk)
            progress.add(len(chunk))
            if total is not None and file.tell() > total:
                break
        file.flush()
        os.fsync(file.fileno())  # the name must not reach the disk before the bytes
    if total is not None and part.size > total:
        part.discard()
        raise FetchError(f"{response.url}: more comes than the {total:,} bytes that were expected")
    if total is not None and part.size < total:
        raise Again(f"cut off at {part.size:,} of {total:,} bytes")


def _all_there(head: Mapping[str, str], part: Part) -> bool:
    """Whether a 416 says that we have every byte already."""
    return head.get("Content-Range") == f"bytes */{part.size}"


def _whole(head: Mapping[str, str]) -> int | None:
    return _number(head.get("Content-Range", "").rpartition("/")[2])


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _validator(head: Mapping[str, str]) -> str | None:
    """What tells this version of the file from others; a weak ETag (W/"…") does not."""
    tag = head.get("ETag", "")
    return tag if tag.startswith('"') else head.get("Last-Modified")


def _seconds(after: str | None) -> float:
    """Retry-After: a number, or a date, which is not worth the trouble here."""
    return 0.0 if after is None else float(after) if after.isdecimal() else 30.0


def _words(error: BaseException) -> str:
    """What requests means, without the names of its classes."""
    cause = _cause(error)
    if isinstance(error, requests.Timeout) or isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return "no answer for too long"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not answer, or does not let us through"
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return "its name cannot be looked up"
    if isinstance(cause, urllib3.exceptions.ProtocolError):
        return "the connection was cut, or what came is no HTTP"
    if found := re.search(r"[]] ([^][]+?)(?: [(]_ssl\.c:\d+[)]*)?$", str(cause).strip("'\"")):
        return found[1]  # "[SSL: CODE] in words (_ssl.c:1006)", "[Errno 111] Connection refused"
    return str(cause).rpartition(": ")[2].strip("()'\"") or type(error).__name__


def _cause(error: BaseException) -> Any:
    """What urllib3 said, which requests wraps once or twice."""
    cause = error.args[0] if error.args else error
    return getattr(cause, "reason", cause)


def _out_of_reach(error: requests.RequestException, remote: Remote) -> str | None:
    """The host that was not reached at all (a redirect may have led to it); None if one answered."""
    closed = isinstance(error, requests.ConnectTimeout | requests.exceptions.ProxyError)
    if not closed and not isinstance(_cause(error), urllib3.exceptions.NewConnectionError):
        return None
    return urlsplit(error.request.url).hostname if error.request else remote.host
