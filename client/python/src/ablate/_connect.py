"""The way in."""

from __future__ import annotations

from ablate._channel import TlsChoice, from_environment
from ablate.client import Client


def connect(address: str | None = None, *, token: str | None = None, tls: TlsChoice = None) -> Client:
    """A client of the server at `address`. Returns at once: whether a server is there, the first call tells.

    Args:
        address: `host:port` or `unix:/path`. None: ABLATE_SERVER of the environment, else 127.0.0.1:50051.
        token: sent with every call as `authorization: Bearer TOKEN`. None: ABLATE_TOKEN of the environment, else none.
        tls: True: encrypted, the server known to the system's authorities; a path: to those of that PEM file; an
            `ablate.Tls` (mutual TLS) or a `grpc.ChannelCredentials`: as it says. None: encrypted where ABLATE_TLS_CA
            of the environment names a PEM file, to whose authorities the server must be known; else not, and a token
            goes no further than this machine. False: not encrypted, and the token goes all the same.

    Raises:
        ValueError: the address has no form that gRPC knows, or the token would travel in the clear.
        OSError: a PEM file cannot be read.

    >>> import ablate
    >>> with ablate.connect(address) as client:
    ...     client.health()
    'SERVING'
    """
    token, tls = from_environment(token, tls)
    return Client(address, token=token, tls=tls)
