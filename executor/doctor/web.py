"""One HTTP request, and why it got no answer: in the few kinds that have different remedies."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.request import OpenerDirector

    Trouble = Literal["dns", "refused", "timeout", "tls", "other"]

SECONDS = 2.0
LARGEST_BODY = 65_536
NAME_SERVER_PORT = 53
# A question for the name servers of the root: a server that lives answers it in some way.
QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to ask for. `proxies` are by scheme; `ca_file` is trusted beside the host's own authorities."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str = ""


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer, whatever its status: redirections are not followed. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(Exception):
    """No answer came. `text` is for people and holds no secrets."""

    def __init__(self, kind: Trouble, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


def fetch(request: Request) -> Response:
    """Ask, within `SECONDS`. `Unreachable` where no answer comes."""
    import urllib.error
    import urllib.request

    asked = urllib.request.Request(  # noqa: S310 (the scheme is checked by the caller)
        request.url, request.body, dict(request.headers), method=request.method
    )
    try:
        with _opener(request).open(asked, timeout=SECONDS) as answer:
            return _response(answer.status, dict(answer.headers), answer.read(LARGEST_BODY))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _response(refusal.code, dict(refusal.headers), refusal.read(LARGEST_BODY))
    except (OSError, ValueError, EOFError) as trouble:
        raise explained(trouble) from None
    except Exception as trouble:
        # http.client's own exceptions: what came is not HTTP.
        raise Unreachable("other", f"it does not speak HTTP ({type(trouble).__name__})") from None


def resolve(host: str, seconds: float = SECONDS) -> list[str]:
    """The host's addresses. The resolver cannot be interrupted, so it is left behind when its time is over."""
    found: list[str] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            found.extend(sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None)}))
        except OSError as reason:
            failure.append(reason)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise Unreachable("dns", f"{host} is not known: {failure[0].strerror or failure[0]}")
    if not found:
        raise Unreachable("dns", f"the name servers gave no answer for {host} within {seconds:g} s")
    return found


def name_server_answers(address: str, seconds: float = 1.0) -> bool:
    """Whether a name server says anything at all."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(2):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as question:
                question.settimeout(seconds / 2)
                question.connect((address, NAME_SERVER_PORT))
                question.send(QUESTION)
                return bool(question.recv(512))
        except TimeoutError:
            continue
        except OSError:
            return False
    return False


def port_answers(host: str, port: int, seconds: float = SECONDS) -> bool:
    """Whether something listens there."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def explained(trouble: Exception) -> Unreachable:
    """The kind of a failure, and a text that names no address with a password in it."""
    reason = getattr(trouble, "reason", trouble)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unreachable("tls", f"its certificate is not trusted: {reason.verify_message}")
    if isinstance(reason, ssl.SSLError):
        return Unreachable("tls", f"TLS fails: {reason.reason or 'no handshake'}")
    if isinstance(reason, socket.gaierror):
        return Unreachable("dns", f"its name is not known: {reason.strerror}")
    if isinstance(reason, TimeoutError):
        return Unreachable("timeout", f"no answer within {SECONDS:g} s")
    if isinstance(reason, ConnectionRefusedError):
        return Unreachable("refused", "nothing listens there (connection refused)")
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
    return Unreachable("other", f"no connection: {text}")


def _opener(request: Request) -> OpenerDirector:
    import urllib.request

    context = ssl.create_default_context()
    if request.ca_file:
        context.load_verify_locations(request.ca_file)

    class Stay(urllib.request.HTTPRedirectHandler):
        """What leads elsewhere is an answer as any other."""

        def redirect_request(self, *_: Any) -> None:
            return None

    return urllib.request.build_opener(
        Stay, urllib.request.ProxyHandler(dict(request.proxies)), urllib.request.HTTPSHandler(context=context)
    )


def _response(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    return Response(status=status, headers={name.lower(): value for name, value in headers.items()}, body=body)
