"""A process that listens: its socket, its start and its end."""

import asyncio
import errno
import ipaddress
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from qwen_pl.errors import InputError
from qwen_pl.serving.worker import Worker

GRACE_SECONDS = 5
"""What requests have to finish in when the server is stopped."""

HEADER_SECONDS = 10
"""From the start of a connection, or of the next request on it, to the end of the header."""

MAX_CONNECTIONS = 1024
"""More are answered with 503."""

LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
    b"the header did not come to its end\n"
)

WAYS_OUT = {errno.EADDRINUSE: "--port 0 takes a free one", errno.EACCES: "give a port above 1023"}


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; they wait until the server runs.

    Raises:
        InputError: If there is no such address here, or its port is taken.
    """
    if not host:  # to the socket library that is every address of this machine
        raise InputError("--host is empty: give 127.0.0.1, or 0.0.0.0 to be reached from elsewhere")
    if not 0 <= port < 2**16:
        raise InputError(f"--port is {port}: give 1 to 65535, or 0 for a free one")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).split(" (while")[0]
        code = getattr(error, "errno", None) or 0
        way_out = WAYS_OUT.get(code, "give an address of this machine")
        raise InputError(f"cannot listen on {host} port {port}: {reason}; {way_out}") from None


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listener.getsockname()[0].split("%")[0]).is_loopback


def url_of(listener: socket.socket) -> str:
    """Where a browser finds it on this machine."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host.split("%")[0]).is_unspecified:  # 0.0.0.0 is everywhere
        host = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class PatientConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes
    """A connection that is closed when the header of a request does not come to its end in time.

    The protocol of uvicorn that is installed (h11 or httptools), which bounds the time between two
    requests only. A body is bounded by the guard.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._wait_for_header()
        else:  # it is there
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_header(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(LATE)
            self.transport.close()


class Server(uvicorn.Server):
    """Answers until Ctrl-C; then requests have some seconds to finish, and the rest get an error.
    A second Ctrl-C gives it to them at once.

    ``run(sockets=[listener])`` raises KeyboardInterrupt when Ctrl-C has ended it. The worker, which
    writes for the app, is stopped with the server.
    """

    def __init__(self, app: ASGIApp, worker: Worker, *, access_log: bool = False) -> None:
        config = uvicorn.Config(
            app,
            log_level="info" if access_log else "warning",
            access_log=access_log,
            lifespan="off",
            ws="none",
            http=PatientConnection,
            limit_concurrency=MAX_CONNECTIONS,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS + 2,  # then they are cut off
        )
        super().__init__(config)
        self.worker = worker

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.worker.stop()  # a second Ctrl-C waits for no text
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self.worker.stop)
        await super().shutdown(sockets)
        self.worker.stop()
        self.worker.join()
