"""Who may ask: checks that come before any request is read.

A server on one's own machine is reached by every web page that one's browser opens: a page can
post to 127.0.0.1, or have its own name resolve to it and read the answers too (DNS rebinding).
Both are told by the headers that browsers do not let pages forge.
"""

import asyncio
import ipaddress
import secrets
from dataclasses import KW_ONLY, dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qwen_pl.serving.errors import ApiError

MAX_BODY_BYTES = 4 * 2**20

SILENT_SECONDS = 4
"""Between two pieces of a body. Less than a server that stops has patience for."""


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._check(scope, Headers(scope=scope))
        except ApiError as error:
            await error.response(scope, receive, send)
        else:
            await self.app(scope, _limited(receive), send)

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


def _limited(receive: Receive) -> Receive:
    """Ends a body at the limit, whatever its header said of its length, and one that stalls."""
    num_bytes = 0
    is_whole = False  # after that only the end of the connection is waited for, however long

    async def receive_limited() -> Message:
        nonlocal num_bytes, is_whole
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), SILENT_SECONDS)
        except asyncio.TimeoutError:  # not yet the built-in one in Python 3.10
            raise ApiError(408, "the rest of the body did not come", code="timeout") from None
        num_bytes += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if num_bytes > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return receive_limited


def _too_large() -> ApiError:
    return ApiError(413, f"the body is larger than {MAX_BODY_BYTES:,} bytes", code="too_large")
