"""The forward-auth address with TLS: who is heard by which certificate, and files that cannot be used."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.adapters.conftest import StartDoor, starting
from tests.adapters.gateways.conftest import login
from tests.adapters.gateways.raw import send
from tests.adapters.test_forward_auth import asked, head
from tests.end_to_end.sidecar import Sidecar, Starter
from tests.servers.certificates import Authority

NAME = "gateway.example"
URI = "spiffe://portal.example/gateway"
Pair = tuple[Path, Path]


@dataclass
class Secured:
    """A sidecar that hears gateways with a certificate only, and the authorities of this test."""

    sidecar: Sidecar
    authority: Authority
    other: Authority

    @property
    def port(self) -> int:
        return int(self.sidecar.addresses["forward_auth"].rpartition(":")[2])

    def client(self, pair: Pair | None = None, *, http2: bool = False) -> httpx.Client:
        """A gateway with this certificate."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if pair is not None:
            context.load_cert_chain(*pair)
        address = f"https://127.0.0.1:{self.port}"
        return httpx.Client(verify=context, base_url=address, http2=http2, timeout=20, trust_env=False)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    authority, other = Authority(folder), Authority(elsewhere, "other")
    certificate, key = authority.sign("sidecar")
    with ExitStack() as stack:
        starter = Starter(folder)
        stack.callback(starter.close)
        sidecar = starting(starter, folder)(
            PDP_TLS_CERTIFICATE=str(certificate),
            PDP_TLS_KEY=str(key),
            PDP_TLS_CLIENT_CA=str(authority.certificate),
            PDP_TRUSTED_PEERS=f"name:{NAME}, name:{URI}",
        )
        yield Secured(sidecar, authority, other)
        assert "panic" not in sidecar.messages()


@pytest.mark.parametrize("alternative", [f"DNS:{NAME}", f"URI:{URI}"], ids=["dns", "uri"])
@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "http/2"])
def test_a_gateway_is_known_by_its_certificate(secured: Secured, alternative: str, http2: bool) -> None:
    with secured.client(secured.authority.sign("client", alternative), http2=http2) as client:
        for headers, status in (([login(), *asked()], 200), (asked(), 401), ([login()], 403)):
            answer = client.get("/decide", headers=httpx.Headers(headers))
            assert (answer.status_code, answer.http_version) == (status, "HTTP/2" if http2 else "HTTP/1.1")


OF_NOBODY = {
    "another": "DNS:portal.example",
    "longer": f"DNS:{NAME}.evil.example",
    "below": f"DNS:a.{NAME}",
    "wildcard": "DNS:*.example",
    "another-uri": f"URI:{URI}/other",
    "address": "IP:127.0.0.1",
    "email": f"email:gateway@{NAME}",
}


@pytest.mark.parametrize("name", OF_NOBODY)
def test_another_name_is_not_heard(secured: Secured, name: str) -> None:
    # The common name is not looked at: RFC 9525, section 2.
    with secured.client(secured.authority.sign(NAME, OF_NOBODY[name])) as client:
        answer = client.get("/decide", headers=httpx.Headers([login(), *asked()]))
        assert (answer.status_code, "trusted_peers" in answer.text) == (403, True)


def test_nor_is_who_has_no_certificate(secured: Secured) -> None:
    with secured.client() as client:
        answer = client.get("/decide", headers=httpx.Headers([login(), *asked()]))
        assert (answer.status_code, "trusted_peers" in answer.text) == (403, True)


def test_a_certificate_of_another_authority_is_refused(secured: Secured) -> None:
    pair = secured.other.sign("client", f"DNS:{NAME}")
    with secured.client(pair) as client, pytest.raises(httpx.TransportError):
        client.get("/decide", headers=httpx.Headers([login(), *asked()]))


def test_plain_http_is_no_answer(secured: Secured) -> None:
    assert send(secured.port, head([login(), *asked()])).status == 0


def test_who_does_not_finish_the_handshake_is_gone(secured: Secured) -> None:
    for content in (b"", bytes.fromhex("16030100c8010000c4")):
        with socket.create_connection(("127.0.0.1", secured.port), timeout=20) as connection:
            connection.sendall(content)
            with secured.client() as client:
                assert client.get("/decide").status_code == 403, "others are answered meanwhile"
            assert connection.recv(1) == b"", "it ends within its bound"


def test_an_address_counts_with_tls_too(start_door: StartDoor, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.sign("sidecar")
    sidecar = start_door(PDP_TLS_CERTIFICATE=str(certificate), PDP_TLS_KEY=str(key))
    with Secured(sidecar, authority, authority).client() as client:
        assert client.get("/decide", headers=httpx.Headers([login(), *asked()])).status_code == 200


@dataclass
class Files:
    """Files to start with."""

    folder: Path
    authority: Authority
    certificate: Path
    key: Path

    @property
    def text(self) -> Path:
        file = self.folder / "text.pem"
        file.write_text("nothing\n")
        return file


UNUSABLE: dict[str, tuple[Callable[[Files], dict[str, object]], str]] = {
    "no-certificate": (lambda f: {"CERTIFICATE": f.folder / "none.crt"}, "none.crt"),
    "no-key": (lambda f: {"KEY": f.folder / "none.key"}, "none.key"),
    "no-authority": (lambda f: {"CLIENT_CA": f.folder / "none.ca"}, "none.ca"),
    "folder": (lambda f: {"CERTIFICATE": f.folder}, "a certificate"),
    "text-certificate": (lambda f: {"CERTIFICATE": f.text}, "text.pem"),
    "text-key": (lambda f: {"KEY": f.text}, "text.pem"),
    "text-authority": (lambda f: {"CLIENT_CA": f.text}, "text.pem"),
    "key-of-another": (lambda f: {"KEY": f.authority.sign("another")[1]}, "sidecar.crt"),
    "certificate-for-a-key": (lambda f: {"KEY": f.certificate}, "sidecar.crt"),
    "certificate-alone": (lambda f: {"KEY": ""}, "tls_key"),
    "key-alone": (lambda f: {"CERTIFICATE": ""}, "tls_certificate"),
    "authority-alone": (
        lambda f: {"CERTIFICATE": "", "KEY": "", "CLIENT_CA": f.certificate},
        "tls_certificate",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_files_that_cannot_be_used_are_one_sentence(start_door: StartDoor, tmp_path: Path, name: str) -> None:
    authority = Authority(tmp_path)
    files = Files(tmp_path, authority, *authority.sign("sidecar"))
    change, named = UNUSABLE[name]
    settings: dict[str, object] = {"CERTIFICATE": files.certificate, "KEY": files.key} | change(files)
    _refused(start_door, named, {f"PDP_TLS_{name}": str(value) for name, value in settings.items()})


@pytest.mark.parametrize("entry", ["gateway.example", "10.0.0.0/33", "name:", "127.0.0.1:80"])
def test_a_peer_that_is_none_is_one_sentence(start_door: StartDoor, entry: str) -> None:
    _refused(start_door, entry, {"PDP_TRUSTED_PEERS": f"127.0.0.1, {entry}"})


def _refused(start_door: StartDoor, named: str, variables: dict[str, str]) -> None:
    sidecar = start_door(ready=False, **variables)
    assert sidecar.ended(60) == 3
    (sentence,) = [line for line in sidecar.messages().splitlines() if line.startswith("Error")]
    assert named in sentence
    assert "Traceback" not in sidecar.messages()
