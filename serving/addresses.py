"""What lies at an address that a stranger has typed: only what anybody could fetch from the public internet.

Else a visitor could have this machine fetch what it alone reaches: itself, its neighbours, the metadata of its cloud.
A name is resolved once, all addresses that it has are looked at, and the connection goes to one of these: no second
look-up can say something else (DNS rebinding). Each redirect is a new address, which is looked at likewise.

safehttpx, which Gradio brings, is of no use here: it takes a name of which any address is public, asks Google about
names, holds whole files in memory, and stands aside where the environment names a proxy.
"""

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import Url as ParsedUrl
from urllib3.util import parse_url

from .limits import Limits
from .refused import Refused, too_large

CHUNK = 2**16
PORTS = {"http": 80, "https": 443}
OK = 200
NO_ANSWER = "The server at that address does not answer as it should. Try a browser."
NOT_PUBLIC = "expected the address of a public server, found none of that name. Check the address."
REDIRECTS = (301, 302, 303, 307, 308)
NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses of IPv4 as networks see them that have IPv6 alone (RFC 6052)."""
ASSIGNMENTS = ipaddress.ip_network("192.0.0.0/24")
"""Of protocols; Python took most of them for public until 3.12.4."""
OF_CLOUDS = ipaddress.ip_address("168.63.129.16")
"""Public by its number, and in each of Azure's networks the machine that keeps its secrets."""
GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given to anybody in the internet."""


@dataclass(frozen=True)
class Url:
    """An address that a stranger has typed."""

    address: str


def fetched(url: Url, limits: Limits) -> Iterator[bytes]:
    """What lies at an address, in pieces.

    Proxies that the environment names are not used: they would look names up a second time.

    Args:
        url (`Url`): Of http or https.
        limits (`Limits`): How long it may take in all, how often it may lead elsewhere, whether to private networks.

    Raises:
        Refused: 400 no such address, 403 it leads to where strangers may not go, 413 it announces to be too large, 408
            it takes too long, 422 its server does not give it.
    """
    until, address = time.monotonic() + limits.fetch_seconds, url.address
    for _ in range(limits.max_redirects + 1):
        place = parsed(address)
        with _asked(place, limits, until) as answer:
            elsewhere = answer.headers.get("Location")
            if answer.status not in REDIRECTS or elsewhere is None:
                yield from _body(answer, limits)
                return
        address = joined(address, elsewhere)
    raise Refused(422, f"The address leads elsewhere more than {limits.max_redirects} times. Give that of the file.")


def parsed(address: str) -> ParsedUrl:
    """The parts of an address.

    Raises:
        Refused: It is none of a file on a server.
    """
    expected = "expected the address of a file, such as https://example.org/clip.mp4"
    try:
        place = parse_url(address)
    except HTTPError as error:
        raise Refused(400, f"{expected}, found something else.") from error
    if place.scheme not in PORTS or not place.host:
        raise Refused(400, f"{expected}, found something else.")
    if place.auth is not None:
        raise Refused(400, f"{expected}, found one with a user name. Never give your password to others.")
    return place


def joined(address: str, elsewhere: str) -> str:
    """Where a server leads.

    Raises:
        Refused: Nowhere.
    """
    try:
        return urljoin(address, elsewhere)
    except ValueError as error:
        raise Refused(422, NO_ANSWER) from error


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one of the public internet, by all that is reserved for something else (IANA)."""
    if isinstance(address, ipaddress.IPv4Address):
        reserved = address.is_multicast or address.is_reserved or address in ASSIGNMENTS or address == OF_CLOUDS
        return address.is_global and not reserved
    if address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    # 6to4 and Teredo have an address of IPv4 inside that need not be public; nobody serves clips by them.
    return address.is_global and address in GLOBAL_UNICAST and address.sixtofour is None and address.teredo is None


def is_own(address: str) -> bool:
    """Whether this machine has an address, be it public: only then can something listen at it here."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def resolved(place: ParsedUrl, limits: Limits) -> list[str]:
    """All addresses that the name of a server has.

    Raises:
        Refused: It has none, or one that is not public. Which of both is not said: that would be news of the network.
    """
    host = str(place.host).strip("[]")
    try:
        found = socket.getaddrinfo(host, place.port or PORTS[str(place.scheme)], type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = limits.private_addresses or all(
            is_public(ipaddress.ip_address(address)) and not is_own(address) for address in addresses
        )
    except (OSError, ValueError):  # UnicodeError is a ValueError
        addresses, allowed = [], False
    if not addresses or not allowed:
        raise Refused(403, NOT_PUBLIC)
    return addresses


@contextmanager
def _asked(place: ParsedUrl, limits: Limits, until: float) -> Iterator[BaseHTTPResponse]:
    """What a server answers, and the connection to it, which ends in any case when the time is over."""
    try:
        with _connected(place, resolved(place, limits), until) as connection, _cut_off(connection, until):
            headers = {"Host": place.netloc or "", "User-Agent": "emofusion", "Accept-Encoding": "identity"}
            connection.request("GET", place.request_uri, headers=headers, preload_content=False, decode_content=False)
            yield connection.getresponse()
            late = time.monotonic() >= until  # an answer of unknown length just ends there
    except (HTTPError, HTTPException, OSError, ValueError) as error:  # ValueError: numbers that are none
        if time.monotonic() < until:
            raise Refused(422, NO_ANSWER) from error
        late = True
    if late:
        raise Refused(408, f"The file at that address is not here after {limits.fetch_seconds:g} s. Send it yourself.")


@contextmanager
def _connected(place: ParsedUrl, addresses: list[str], until: float) -> Iterator[HTTPConnection]:
    """A connection to the first of the addresses that takes one; by TLS to the server that the name means."""
    connection: HTTPConnection
    assert addresses
    for address in addresses:
        left = max(until - time.monotonic(), 0.001)
        if place.scheme == "https":
            name = str(place.host).strip("[]")  # what is asked for (SNI), and what its certificate must say
            connection = HTTPSConnection(address, place.port or PORTS["https"], timeout=left, server_hostname=name)
        else:
            connection = HTTPConnection(address, place.port or PORTS["http"], timeout=left)
        try:
            connection.connect()
            break
        except (HTTPError, OSError):
            connection.close()
            if address == addresses[-1]:
                raise
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _cut_off(connection: HTTPConnection, until: float) -> Iterator[None]:
    """End a connection when the time is over. No time-out does: a server may send a byte now and then."""
    there = connection.sock  # which the connection forgets when the answer has begun

    def cut() -> None:
        with suppress(OSError):  # it has ended
            socket.socket.shutdown(there, socket.SHUT_RDWR)

    timer = threading.Timer(max(until - time.monotonic(), 0.0), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _body(answer: BaseHTTPResponse, limits: Limits) -> Iterator[bytes]:
    """What the server sends, if it is the file."""
    if answer.status != OK:
        raise Refused(422, f"The server at that address does not give the file: it answers {answer.status}.")
    announced = answer.headers.get("Content-Length", "")
    if announced.isdecimal() and float(announced) > limits.max_bytes:  # int() takes no more than 4300 digits
        raise too_large(limits.max_bytes)
    yield from answer.stream(CHUNK, decode_content=False)
