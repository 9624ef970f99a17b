"""Addresses that strangers type: only the public internet is reached, also by redirects and by names that change."""

import ipaddress
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emofusion.serving import addresses
from emofusion.serving.addresses import Url, fetched, is_own, is_public
from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused
from helpers.servers.file_server import (
    FileServer,
    Manner,
    Request,
    break_after,
    in_chunks,
    refuse,
    whole_with,
    without_length,
)

CONTENT = os.urandom(200_000)
OWN = Limits(private_addresses=True, fetch_seconds=20)
NAME = "clips.example"


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({"/clip.mp4": CONTENT}) as server:
        yield server


@pytest.fixture
def one_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for a server in the internet; all that is said of other addresses holds."""
    real = is_public
    monkeypatch.setattr(addresses, "is_public", lambda address: str(address) == "127.0.0.1" or real(address))
    own = is_own
    monkeypatch.setattr(addresses, "is_own", lambda address: address != "127.0.0.1" and own(address))


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Gives `NAME` addresses, those of each look-up; returns the list that takes the names that are looked up."""
    real, asked = socket.getaddrinfo, list[str]()

    def name(*answers: list[str]) -> list[str]:
        def look_up(host: Any, port: Any, *given: Any, **named: Any) -> Any:
            if host != NAME:
                return real(host, port, *given, **named)
            found = answers[min(len(asked), len(answers) - 1)]
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return name


def refusal(address: str, limits: Limits) -> Refused:
    with pytest.raises(Refused) as caught:
        b"".join(fetched(Url(address), limits))
    return caught.value


@pytest.mark.parametrize(
    "address",
    (
        "127.0.0.1 127.9.9.9 0.0.0.0 10.0.0.1 172.16.3.4 192.168.1.1 100.64.0.1 169.254.169.254 192.0.2.1 198.18.0.1 "
        "224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 192.0.0.8 168.63.129.16 :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 "
        "::7f00:1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 ff0e::1 2001:db8::1 100::1 2001::1 "
        "2002:7f00:1:: 2002:808:808:: 64:ff9b::168.63.129.16 64:ff9b::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808"
    ).split(),
)
def test_addresses_of_other_uses_are_not_public(address: str):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address: str):
    assert is_public(ipaddress.ip_address(address))


def test_file_is_fetched(server: FileServer):
    server.script = [in_chunks, without_length(), refuse(301, Location="/clip.mp4?again")]
    for _ in range(3):
        assert b"".join(fetched(Url(f"{server.url}/clip.mp4?a=b#part"), OWN)) == CONTENT
    assert server.requests[0][1]["Host"] == server.url.removeprefix("http://")
    assert len(server.requests) == 4


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0", "169.254.169.254"]
)
def test_this_machine_is_refused_however_it_is_written(server: FileServer, host: str):
    found = refusal(f"http://{host}:{server.server_address[1]}/clip.mp4", Limits())
    assert (found.status, server.requests) == (403, [])
    # Nobody learns which names this network has.
    assert found.message == refusal("http://no-such-name.invalid/", Limits()).message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
def test_public_address_of_this_machine_is_refused(server: FileServer, monkeypatch: pytest.MonkeyPatch, host: str):
    """Whether it listens there or not: as of a server whose other ports a firewall keeps from strangers."""
    monkeypatch.setattr(addresses, "is_public", lambda address: True)
    for port in (server.server_address[1], 9):
        assert refusal(f"http://{host}:{port}/clip.mp4", Limits()).status == 403
    assert server.requests == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_addresses_of_others_are_not_own(address: str):
    assert not is_own(address)


@pytest.mark.usefixtures("one_is_public")
@pytest.mark.parametrize(
    "to", ["http://127.0.0.2:{port}/clip.mp4", "http://169.254.169.254/latest/meta-data/", "//[::1]:{port}/"]
)
def test_redirect_to_a_private_address_is_refused(server: FileServer, to: str):
    server.script = [refuse(302, Location=to.format(port=server.server_address[1]))]
    assert refusal(f"{server.url}/clip.mp4", Limits()).status == 403
    assert len(server.requests) == 1


@pytest.mark.usefixtures("one_is_public")
@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/clip", "gopher://127.0.0.1/"])
def test_redirect_to_another_scheme_is_refused(server: FileServer, to: str):
    server.script = [refuse(302, Location=to)]
    found = refusal(f"{server.url}/clip.mp4", Limits())
    assert found.status == 400
    assert "passwd" not in found.message


@pytest.mark.usefixtures("one_is_public")
def test_name_that_changes_its_address_is_looked_up_once(server: FileServer, named: Callable[..., list[str]]):
    """DNS rebinding: it is public when it is looked at, and would be private when one connects."""
    asked, port = named(["127.0.0.1"], ["127.0.0.2"]), server.server_address[1]
    assert b"".join(fetched(Url(f"http://{NAME}:{port}/clip.mp4"), Limits())) == CONTENT
    assert asked == [NAME]
    assert server.requests[0][1]["Host"] == f"{NAME}:{port}"


@pytest.mark.usefixtures("one_is_public")
def test_redirect_to_the_same_name_is_looked_at_again(server: FileServer, named: Callable[..., list[str]]):
    asked = named(["127.0.0.1"], ["127.0.0.2"])
    server.script = [refuse(302, Location="/clip.mp4?again")]
    assert refusal(f"http://{NAME}:{server.server_address[1]}/clip.mp4", Limits()).status == 403
    assert (len(asked), len(server.requests)) == (2, 1)


@pytest.mark.usefixtures("one_is_public")
def test_name_with_one_private_address_among_others_is_refused(server: FileServer, named: Callable[..., list[str]]):
    named(["127.0.0.1", "10.0.0.1"])
    assert refusal(f"http://{NAME}:{server.server_address[1]}/clip.mp4", Limits()).status == 403
    assert server.requests == []


def test_next_address_is_taken_where_the_first_does_not_answer(server: FileServer, named: Callable[..., list[str]]):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{port}/clip.mp4", OWN).status == 422
    named(["::1", "127.0.0.1"])  # nobody listens at the first
    assert b"".join(fetched(Url(f"http://{NAME}:{server.server_address[1]}/clip.mp4"), OWN)) == CONTENT


@pytest.mark.parametrize(
    "address",
    ["", "clip.mp4", "file:///etc/passwd", "ftp://example.org/a", "http://", "http://[::1", "http://me:pw@a.org/"],
)
def test_what_is_no_address_of_a_file_is_refused(address: str):
    found = refusal(address, OWN)
    assert found.status == 400
    assert "such as https://example.org/clip.mp4" in found.message


@pytest.mark.parametrize(
    ("manner", "status"),
    [
        (refuse(404), 422),
        (refuse(500), 422),
        (break_after(1000), 422),
        (refuse(302, Location="http://[::1"), 422),
        (refuse(302, Location="http://a.org:99999/"), 400),
        (refuse(302, Location="http://\u00b2.org/"), 400),
        (whole_with(Content_Length="9" * 5000), 413),
    ],
)
def test_server_that_does_not_give_it_is_told_in_words(server: FileServer, manner: Manner, status: int):
    server.script = [manner]
    found = refusal(f"{server.url}/clip.mp4", OWN)
    assert found.status == status
    assert "127.0.0.1" not in found.message


def test_redirects_come_to_an_end(server: FileServer):
    server.script = [refuse(307, Location="/clip.mp4")] * 9
    assert refusal(f"{server.url}/clip.mp4", Limits(private_addresses=True, max_redirects=2)).status == 422
    assert len(server.requests) == 3


def test_file_that_announces_to_be_too_large_is_not_read(server: FileServer):
    limits = Limits(private_addresses=True, max_bytes=len(CONTENT) - 1)
    assert refusal(f"{server.url}/clip.mp4", limits).status == 413


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n", b""])
def test_server_that_drips_is_left(server: FileServer, head: bytes):
    """Each byte is here in time; all of them would never be."""

    def drip(request: Request, _: bytes) -> None:
        request.close_connection = True
        request.wfile.write(head)
        while not request.server.release.wait(0.05):
            request.wfile.write(b"a" if head else b"")

    server.script = [drip]
    begun = time.monotonic()
    assert refusal(f"{server.url}/clip.mp4", Limits(private_addresses=True, fetch_seconds=0.5)).status == 408
    assert time.monotonic() - begun < 5


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FileServer, list[str | None]]]:
    """By TLS, with a certificate for `NAME` that is trusted here; and the names that it is asked for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", key, "-out", certificate]
    try:
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here to make a certificate with")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), list[str | None]()
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: names.append(name)
    server = FileServer({"/clip.mp4": CONTENT})
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with server:
        yield server, names


def test_tls_is_spoken_with_the_server_of_the_name(
    tls_server: tuple[FileServer, list[str | None]], named: Callable[..., list[str]]
):
    """The connection goes to an address, and the certificate must be that of the name."""
    server, names = tls_server
    named(["127.0.0.1"])
    port = server.server_address[1]
    assert b"".join(fetched(Url(f"https://{NAME}:{port}/clip.mp4"), OWN)) == CONTENT
    assert names == [NAME]
    assert refusal(f"https://localhost:{port}/clip.mp4", OWN).status == 422
    assert len(server.requests) == 1
