"""Who may ask: checks that come before any request is read.

A server on one's own machine is reached by every web page that one's browser opens: a page can
post to 127.0.0.1, or have its own name resolve to it and read the answers too (DNS rebinding).
Both are told by the headers that browsers do not let pages forge.
"""

import asyncio
import ipaddress
import secrets
import time
from dataclasses import KW_ONLY, dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_pl.serving.errors import ApiError, busy

MAX_BODY_BYTES = 4 * 2**20

MAX_HELD_BYTES = 16 * MAX_BODY_BYTES
"""Of the bodies of all requests that are not answered yet; what comes above has to wait."""

SILENT_SECONDS = 4
"""Between two pieces of a body. Less than a server that stops has patience for."""

BODY_SECONDS = 60
"""For the whole of a body, however small its pieces are."""

DEAF_SECONDS = 60
"""Until a client takes a piece of its answer."""


@dataclass
class Guard:
    """Lets through what may ask, and answers all else with a reason."""

    app: ASGIApp
    _: KW_ONLY
    is_loopback: bool = True
    """Whether the server listens on this machine alone."""
    names: frozenset[str] = frozenset()
    """Names of the server beside addresses and ``localhost``."""
    api_key: str | None = None
    """What ``/v1`` has to be asked with; None for nothing."""
    held_bytes: int = field(default=0, init=False)
    """Of the bodies of requests that are not answered yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope, Headers(scope=scope))
        except ApiError as error:
            await error.response(scope, receive, send)
        else:
            body = _Body(self, receive)
            try:
                await self.app(scope, body.receive, _patient(send))
            finally:
                self.held_bytes -= body.num_bytes

    def _check(self, scope: Scope, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(host):
            known = "localhost" if self.is_loopback else "its address"
            why = f"this server is not called {host!r}: use {known}, or start it with an --api_key"
            raise ApiError(403, why, code="host_not_allowed")
        own = (f"http://{host}".lower(), f"https://{host}".lower())  # the latter behind a proxy
        if origin is not None and origin.lower() not in own:
            why = f"pages of {origin} may not use this server"
            raise ApiError(403, why, code="origin_not_allowed")
        if self.api_key is not None and scope["path"].startswith("/v1"):
            self._check_key(headers)
        if scope["method"] == "POST":
            _check_body(headers)

    def _is_own(self, host: str) -> bool:
        """Whether a ``Host`` header is a name that no stranger can have given to this machine."""
        if self.api_key is not None:
            return True  # a stranger may call it what he likes, he does not have the key
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self.names or name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback or not self.is_loopback
        except ValueError:
            return False

    def _check_key(self, sent: Headers) -> None:
        given = sent.get("authorization", "")
        if not secrets.compare_digest(given.encode(), f"Bearer {self.api_key}".encode()):
            wrong = "is not this server's" if given else "is missing"
            why = f"the API key {wrong}: send 'Authorization: Bearer KEY'"
            headers = {"WWW-Authenticate": "Bearer"}
            raise ApiError(401, why, code="invalid_api_key", headers=headers)


def _check_body(headers: Headers) -> None:
    kind = headers.get("content-type", "")
    if kind.split(";")[0].strip().lower() != "application/json":
        met = f", not {kind}" if kind else ""
        raise ApiError(415, f"send Content-Type: application/json{met}", code="not_json")
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise _too_large()


class _Body:
    """A body: ended at the limit, whatever its header said of its length, and where it stalls."""

    def __init__(self, guard: Guard, receive: Receive) -> None:
        self.num_bytes = 0
        self._guard = guard
        self._receive = receive
        self._is_whole = False  # after that only the end of the connection is waited for
        self._deadline = time.monotonic() + BODY_SECONDS

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        left = max(0.0, self._deadline - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), min(SILENT_SECONDS, left))
        except asyncio.TimeoutError:  # not yet the built-in one in Python 3.10
            raise ApiError(408, "the rest of the body did not come", code="timeout") from None
        size = len(message.get("body", b""))
        self.num_bytes += size
        self._guard.held_bytes += size
        self._is_whole = not message.get("more_body", False)
        if self.num_bytes > MAX_BODY_BYTES:
            raise _too_large()
        if self._guard.held_bytes > MAX_HELD_BYTES:
            raise busy("the requests that are waiting are too large together")
        return message


def _patient(send: Send) -> Send:
    """Gives up on a client that does not take its answer, which is kept for it until then."""

    async def send_in_time(message: Message) -> None:
        try:
            await asyncio.wait_for(send(message), DEAF_SECONDS)
        except asyncio.TimeoutError:
            raise OSError("the client does not take its answer") from None

    return send_in_time


def _too_large() -> ApiError:
    return ApiError(413, f"the body is larger than {MAX_BODY_BYTES:,} bytes", code="too_large")
