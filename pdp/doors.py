"""The sockets of the sidecar's doors, from its settings."""

import ipaddress

from pdp._core import Core, Gateway, Identity, Server
from pdp.config import Settings
from pdp.errors import ServeError


def bound_server(core: Core, settings: Settings, identity: Identity | None = None) -> Server:
    """The server of every door, its addresses bound and not answering yet.

    `identity`: whose logins count at gateways; None: nobody's.

    Raises:
        ServeError: an address, a certificate or the list of trusted peers cannot be used, or a door would be
            open to a network without TLS.
    """
    tls = settings.tls_certificate != ""
    if settings.authzen and not tls and not is_loopback(settings.authzen):
        raise ServeError(
            f"The AuthZEN API would answer on {settings.authzen} without TLS, which only a loopback address "
            "may; set tls_certificate and tls_key."
        )
    try:
        gateway = Gateway(core, identity=identity, trusted_peers=settings.trusted_peers)
        return Server(
            core,
            grpc=settings.grpc,
            http=settings.http,
            threads=settings.threads,
            gateway=gateway,
            forward_auth=settings.forward_auth,
            authzen=settings.authzen,
            authzen_url=settings.authzen_url,
            authzen_ignores_time=settings.authzen_time == "ignored",
            tls=(settings.tls_certificate, settings.tls_key, settings.tls_client_ca) if tls else None,
        )
    except (OSError, ValueError) as error:
        raise ServeError(str(error)) from error


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address HOST:PORT."""
    return is_loopback_host(address.rpartition(":")[0].strip("[]"))


def is_loopback_host(host: str) -> bool:
    """Whether a name or an IP address, without brackets, is this machine's own alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
