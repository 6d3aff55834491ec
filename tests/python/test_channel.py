"""The way to a server: addresses, the token, encryption, retries."""

from __future__ import annotations

import subprocess
from pathlib import Path

import grpc
import pytest

import ablate
from ablate import _calls
from ablate._channel import Endpoint, is_local
from ablate._proto.ablation.v1.scan_pb2 import AblateResponse, Manifest
from ablate._proto.ablation.v1.service_pb2 import Tokenization, TokenizeResponse
from tests.python.fake_server import Failure, FakeServer

UNAVAILABLE = Failure(grpc.StatusCode.UNAVAILABLE, "draining")
SERVING = b"\x08\x01"


@pytest.mark.parametrize(
    "address", ["localhost", "host:", ":1", "host:0", "host:65536", "host:a", "unix:", "host:1\u0661"]
)
def test_an_address_without_form_is_refused(address):
    with pytest.raises(ValueError, match="expected host:port"):
        ablate.connect(address)


def test_the_address_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("ABLATE_SERVER", "10.0.0.1:7")
    assert ablate.connect().address == "10.0.0.1:7"
    monkeypatch.delenv("ABLATE_SERVER")
    assert ablate.connect().address == "127.0.0.1:50051"


def test_the_token_goes_with_every_call(fake):
    fake.answer(_calls.HEALTH, [SERVING])
    with ablate.connect(fake.address, token="s3cret") as client:
        assert client.health() == "SERVING"
    (call,) = fake.calls
    assert call.metadata["authorization"] == "Bearer s3cret"


def test_without_a_token_no_authorization_is_sent(fake):
    fake.answer(_calls.HEALTH, [SERVING])
    with ablate.connect(fake.address) as client:
        client.health()
    assert "authorization" not in fake.calls[0].metadata


# The list of tests/client/identity_test.cc.
@pytest.mark.parametrize(
    "address",
    ["unix:/a", "unix-abstract:a", "127.0.0.1:1", "127.8.9.10:1", "localhost:1", "[::1]:1", "ipv4:127.0.0.1:1",
     "ipv6:[::1]:1"],
)  # fmt: skip
def test_this_machine_is_this_machine(address):
    assert is_local(address)
    ablate.connect(address, token="s3cret").close()


@pytest.mark.parametrize(
    "address",
    ["example.org:1", "127.example.org:1", "localhost.example.org:1", "unix.example.org:1", "10.0.0.1:1", "0.0.0.0:1",
     "[::]:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "dns:localhost:1", "127.1:1"],
)  # fmt: skip
def test_a_name_that_looks_like_this_machine_is_another(address):
    assert not is_local(address)
    with pytest.raises(ValueError, match="in the clear"):
        ablate.connect(address, token="s3cret")


def test_a_token_is_not_sent_in_the_clear_beyond_this_machine():
    with pytest.raises(ValueError, match="in the clear"):
        ablate.connect("gpu.lab:50051", token="s3cret")
    for address in ("127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/tmp/x"):
        ablate.connect(address, token="s3cret").close()
    ablate.connect("gpu.lab:50051", token="s3cret", tls=False).close()
    ablate.connect("gpu.lab:50051", token="s3cret", tls=True).close()


@pytest.mark.parametrize("token", ["", "a b", "a\n", "ä"])
def test_a_token_that_is_none_is_refused(token):
    with pytest.raises(ValueError, match="token"):
        ablate.connect("127.0.0.1:1", token=token)


def test_the_token_is_not_shown():
    assert "s3cret" not in repr(Endpoint.make("127.0.0.1:1", "s3cret", None))


@pytest.fixture(params=[ablate.connect, ablate.connect_async])
def connect(request):
    return request.param


def test_the_token_comes_from_the_environment_where_none_is_given(fake, monkeypatch):
    fake.answer(_calls.HEALTH, [SERVING])
    monkeypatch.setenv("ABLATE_TOKEN", "theirs")
    for token, expected in ((None, "Bearer theirs"), ("mine", "Bearer mine")):
        with ablate.connect(fake.address, token=token) as client:
            client.health()
        assert fake.calls[-1].metadata["authorization"] == expected
    monkeypatch.setenv("ABLATE_TOKEN", "")
    with ablate.connect(fake.address) as client:
        client.health()
    assert "authorization" not in fake.calls[-1].metadata


def test_the_environments_token_is_held_to_the_same(connect, monkeypatch):
    monkeypatch.setenv("ABLATE_TOKEN", "s3cret")
    with pytest.raises(ValueError, match=r"in the clear: name tls=True .*ABLATE_TLS_CA.*tls=False"):
        connect("gpu.lab:50051")
    connect("gpu.lab:50051", tls=False)
    monkeypatch.setenv("ABLATE_TOKEN", "a b")
    with pytest.raises(ValueError, match="ABLATE_TOKEN.*without spaces"):
        connect("gpu.lab:50051")


def test_the_environments_authorities_mean_tls(connect, monkeypatch, tmp_path):
    made, _ = certificate(tmp_path, "ca")
    monkeypatch.setenv("ABLATE_TLS_CA", str(made))
    assert connect("gpu.lab:50051", token="s3cret")._connection.endpoint.credentials is not None
    assert connect("127.0.0.1:1", tls=False)._connection.endpoint.credentials is None
    monkeypatch.setenv("ABLATE_TLS_CA", str(tmp_path / "none.pem"))
    with pytest.raises(FileNotFoundError):
        connect("127.0.0.1:1")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Of `localhost`, and its key."""
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


def test_tls_with_an_authority_of_ones_own(tmp_path):
    server, key = certificate(tmp_path, "server")
    fake = FakeServer(grpc.ssl_server_credentials([(key.read_bytes(), server.read_bytes())]))
    try:
        fake.answer(_calls.HEALTH, [SERVING])
        address = f"localhost:{fake.port}"
        for tls in (server, str(server), ablate.Tls(ca=server), grpc.ssl_channel_credentials(server.read_bytes())):
            with ablate.connect(address, token="s3cret", tls=tls) as client:
                assert client.health() == "SERVING"
        assert fake.calls[0].metadata["authorization"] == "Bearer s3cret"
        with ablate.connect(address, tls=True) as client, pytest.raises(ablate.UnavailableError):
            client.health(timeout=5)
    finally:
        fake.stop()


def test_mutual_tls(tmp_path):
    (server, key), (mine, my_key) = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    pair = [(key.read_bytes(), server.read_bytes())]
    fake = FakeServer(grpc.ssl_server_credentials(pair, mine.read_bytes(), require_client_auth=True))
    try:
        fake.answer(_calls.HEALTH, [SERVING])
        address = f"localhost:{fake.port}"
        with ablate.connect(address, tls=ablate.Tls(ca=server, cert=mine, key=my_key)) as client:
            assert client.health() == "SERVING"
        with ablate.connect(address, tls=server) as client, pytest.raises(ablate.UnavailableError):
            client.health(timeout=5)
    finally:
        fake.stop()
    with pytest.raises(ValueError, match="a certificate needs its key"):
        ablate.connect("localhost:1", tls=ablate.Tls(cert=mine))
    with pytest.raises(FileNotFoundError):
        ablate.connect("localhost:1", tls=tmp_path / "none.pem")


def test_a_call_that_nobody_has_answered_is_tried_again(fake):
    fake.answer(_calls.TOKENIZE, [UNAVAILABLE], [UNAVAILABLE], [_tokens()])
    with ablate.connect(fake.address) as client:
        assert client.tokenize(["a"]) == [[]]
    assert len(fake.called(_calls.TOKENIZE)) == 3


def test_a_large_request_is_tried_again_too(fake):
    """gRPC gives up retrying what is larger than its buffer, 256 KiB unless told otherwise."""
    fake.answer(_calls.TOKENIZE, [UNAVAILABLE], [_tokens()])
    with ablate.connect(fake.address) as client:
        assert client.tokenize(["a" * 2_000_000]) == [[]]
    assert len(fake.called(_calls.TOKENIZE)) == 2


def test_a_call_is_tried_four_times_at_most(fake):
    fake.answer(_calls.TOKENIZE, [UNAVAILABLE])
    with ablate.connect(fake.address) as client, pytest.raises(ablate.UnavailableError):
        client.tokenize(["a"])
    assert len(fake.called(_calls.TOKENIZE)) == 4


def test_nothing_is_tried_again_after_the_first_message(fake):
    manifest = AblateResponse(manifest=Manifest(n_prompts=1, n_variants=1, replacements=[{"zero": {}}]))
    fake.answer(_calls.ABLATE, [manifest, UNAVAILABLE])
    with ablate.connect(fake.address) as client, pytest.raises(ablate.UnavailableError):
        client.scan("a", target=" b")
    assert len(fake.called(_calls.ABLATE)) == 1


def test_what_is_not_the_same_twice_is_not_tried_again(fake):
    fake.answer(_calls.DELETE_MEANS, [UNAVAILABLE])
    with ablate.connect(fake.address) as client, pytest.raises(ablate.UnavailableError):
        client.delete_means("a" * 32)
    assert len(fake.called(_calls.DELETE_MEANS)) == 1


def test_a_server_that_comes_is_found_within_seconds():
    """gRPC by itself looks again after up to two minutes."""
    options = dict(Endpoint.make("127.0.0.1:1", None, None).options())
    assert options["grpc.initial_reconnect_backoff_ms"] == 200
    assert options["grpc.max_reconnect_backoff_ms"] == 2000


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"", "UNKNOWN"), (b"\x08\x01", "SERVING"), (b"\x08\x02", "NOT_SERVING"), (b"\x08\x09", "UNKNOWN")],
)
def test_health(fake, answer, status):
    fake.answer(_calls.HEALTH, [answer])
    with ablate.connect(fake.address) as client:
        assert client.health() == status


def test_waiting_for_a_server_that_does_not_come_ends():
    with ablate.connect("127.0.0.1:1") as client, pytest.raises(ablate.UnavailableError, match="not ready after"):
        client.wait_ready(timeout=0.3)


def _tokens():
    return TokenizeResponse(texts=[Tokenization()])
