"""The way to a server: address, encryption, token, retries."""

from __future__ import annotations

import ipaddress
import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from ablate._status import REQUEST_ID_KEY
from ablate._version import __version__


@dataclass(frozen=True)
class Tls:
    """Files of an encrypted connection, PEM each. OSError where one cannot be read, on connecting.

    >>> import ablate
    >>> ablate.Tls(ca="ca.pem", cert="me.pem", key="me.key").ca
    'ca.pem'
    """

    #: The authorities that the server's certificate is held against. None: the system's.
    ca: str | os.PathLike[str] | None = None
    #: One's own certificate and its key, where the server asks for them (mutual TLS).
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """ValueError where there is a certificate without its key, or the other way round.

        >>> Tls().credentials()
        <grpc.ChannelCredentials object at ...>
        """
        if (self.cert is None) != (self.key is None):
            raise ValueError("tls: a certificate needs its key, and a key its certificate")
        ca, cert, key = (None if path is None else Path(path).read_bytes() for path in (self.ca, self.cert, self.key))
        return grpc.ssl_channel_credentials(root_certificates=ca, private_key=key, certificate_chain=cert)


#: True: TLS with the system's authorities. A path: TLS with the authorities of that PEM file. False: plain text, the
#: token included. None: plain text, which a token is not trusted to beyond this machine.
TlsChoice = bool | str | os.PathLike[str] | Tls | grpc.ChannelCredentials | None

_SCHEMES = ("unix:", "unix-abstract:", "ipv4:", "ipv6:", "dns:")
#: The environment's, where a client is not told; the command line reads them too.
TOKEN_VARIABLE, AUTHORITIES_VARIABLE = "ABLATE_TOKEN", "ABLATE_TLS_CA"
_SERVICE = "ablation.v1.AblationService"

# Calls that may be tried again: asking twice does what asking once does. (SubmitJob carries a request id of ours.)
_IDEMPOTENT = (
    "Ablate", "ExplainPlan", "Tokenize", "DescribeModel", "ComputeMeans", "ListMeanLibraries",
    "ExportMeanLibrary", "ImportMeanLibrary", "SubmitJob", "GetJob", "ListJobs", "CancelJob", "StreamJobResults",
)  # fmt: skip

#: gRPC itself tries again, only where nobody has answered yet: once a first message is there, the call is its own. Not
#: RESOURCE_EXHAUSTED, under which a request that is too large for good would be sent four times.
SERVICE_CONFIG: dict[str, Any] = {
    "methodConfig": [
        {
            "name": [{"service": _SERVICE, "method": method} for method in _IDEMPOTENT],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "3s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

# gRPC forgets requests larger than its buffer, and does not try them again.
_RETRY_BUFFER_BYTES = 64 << 20


@dataclass(frozen=True)
class Endpoint:
    """Where a server is and how it is spoken to."""

    address: str
    token: str | None = field(repr=False)
    credentials: grpc.ChannelCredentials | None

    @classmethod
    def make(cls, address: str | None, token: str | None, tls: TlsChoice) -> Endpoint:
        """ValueError where the address has no form that gRPC knows, or the token would travel in the clear."""
        address = address or os.environ.get("ABLATE_SERVER") or "127.0.0.1:50051"
        _check_address(address)
        credentials = _credentials(tls)
        if token is not None:
            _check_token(token)
            if credentials is None and tls is None and not is_local(address):
                raise ValueError(
                    f"a token would travel to {address} in the clear: name tls=True (or a file of authorities, as "
                    f"{AUTHORITIES_VARIABLE} may), or tls=False where the network itself is trusted"
                )
        return cls(address, token, credentials)

    def options(self) -> list[tuple[str, Any]]:
        """The channel's."""
        options: list[tuple[str, Any]] = [
            # Streams fit into gRPC's default of 4 MB, Tokenize's single answer need not.
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
            ("grpc.primary_user_agent", f"ablate-python/{__version__}"),
            ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
            ("grpc.enable_retries", 1),
            ("grpc.per_rpc_retry_buffer_size", _RETRY_BUFFER_BYTES),
            # Who tries again does so within seconds: a channel that waits for minutes would answer in its place.
            ("grpc.initial_reconnect_backoff_ms", 200),
            ("grpc.max_reconnect_backoff_ms", 2000),
        ]
        if is_local(self.address):
            # A proxy set for the outside world must not stand between us and this machine.
            options.append(("grpc.enable_http_proxy", 0))
        return options

    def metadata(self) -> tuple[tuple[tuple[str, str], ...], str]:
        """One call's, and the request id in it."""
        request_id = uuid.uuid4().hex
        metadata = [(REQUEST_ID_KEY, request_id)]
        if self.token is not None:
            metadata.append(("authorization", f"Bearer {self.token}"))
        return tuple(metadata), request_id

    def open(self) -> grpc.Channel:
        if self.credentials is None:
            return grpc.insecure_channel(self.address, self.options())
        return grpc.secure_channel(self.address, self.credentials, self.options())

    def open_async(self) -> grpc.aio.Channel:
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, self.options())
        return grpc.aio.secure_channel(self.address, self.credentials, self.options())


def from_environment(token: str | None, tls: TlsChoice) -> tuple[str | None, TlsChoice]:
    """What is not given, as the command line has it."""
    if token is None:
        token = os.environ.get(TOKEN_VARIABLE) or None
    if tls is None:
        tls = os.environ.get(AUTHORITIES_VARIABLE) or None
    return token, tls


def is_local(address: str) -> bool:
    """Whether nobody but this machine can be there: a unix socket, `localhost`, or a loopback address in numbers. Any
    other name may resolve to anything, whatever it looks like. The rule of client/cpp/connection.h's IsThisMachine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    scheme = next((scheme for scheme in ("ipv4:", "ipv6:") if address.startswith(scheme)), "")
    host = address.removeprefix(scheme).rsplit(":", 1)[0]
    if host in ("localhost", "[::1]"):
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


def _check_address(address: str) -> None:
    if any(address.startswith(scheme) and len(address) > len(scheme) for scheme in _SCHEMES):
        return
    host, colon, port = address.rpartition(":")
    if host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return
    raise ValueError(f"server address {address!r}: expected host:port with a port of 1 to 65535, or unix:/path")


def _check_token(token: str) -> None:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError(
            f"token (given, or {TOKEN_VARIABLE}): expected printable ASCII without spaces, got an empty text or other "
            "characters"
        )


def _credentials(tls: TlsChoice) -> grpc.ChannelCredentials | None:
    if tls is None or tls is False:
        return None
    if isinstance(tls, grpc.ChannelCredentials):
        return tls
    if isinstance(tls, Tls):
        return tls.credentials()
    return (Tls() if tls is True else Tls(ca=tls)).credentials()
