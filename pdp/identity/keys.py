"""Reads an issuer's public keys (a JWK Set) from its URL or from a file. What is in them the core judges."""

import re
import time
from pathlib import Path
from typing import Final

import urllib3

from pdp.errors import PdpError

MAX_BYTES: Final = 262_144
"""As the core's bound on a set."""

_SOCKET_SECONDS = 2.0
_WHOLE_SECONDS = 5.0
_LEAST_SECONDS = 10.0
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})\"?(?:$|[\s,])", re.IGNORECASE)
_NOT_KEPT = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])", re.IGNORECASE)


class KeysError(PdpError):
    """Keys that cannot be read now; the text says why, and from where."""


class KeysUrl:
    """Keys at an https URL (the declaration allows http on loopback only). Not to be shared between threads.

    Certificates are verified against the system's authorities. Redirects are not followed: they would let
    another host, or plain HTTP, say what the keys are.
    """

    def __init__(self, issuer: str, url: str, refresh_seconds: float) -> None:
        self.issuer = issuer
        self.place = url
        self.fresh_seconds = self._refresh_seconds = float(refresh_seconds)
        """How long what was read last may be used before it is asked for again."""
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=1)
        self._answered: tuple[bytes, str] | None = None
        self._accepted: tuple[bytes, str] | None = None

    def changed(self) -> bool:
        """Whether there is something new to read: a URL does not tell."""
        return False

    def read(self) -> bytes:
        """The set as it is now; the accepted one where the server says that it is the same.

        Raises:
            KeysError: within seconds, also when the server is slow or sends without end.
        """
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        if self._accepted is not None and self._accepted[1]:
            headers["If-None-Match"] = self._accepted[1]
        ends = time.monotonic() + _WHOLE_SECONDS
        timeout = urllib3.Timeout(connect=_SOCKET_SECONDS, read=_SOCKET_SECONDS)
        try:
            response = self._pool.request(
                "GET",
                self.place,
                headers=headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                text = self._text(response, ends)
            finally:
                # Whatever was not read is not worth keeping the connection for.
                response.close()
        except urllib3.exceptions.HTTPError as error:
            raise KeysError(f"{self.place} cannot be read: {_why(error)}.") from error
        self.fresh_seconds = self._freshness(response.headers.get("Cache-Control", ""))
        self._answered = (text, response.headers.get("ETag", ""))
        return text

    def accept(self) -> None:
        """The core took what was read last: from now on the server may answer that it is the same."""
        self._accepted = self._answered

    def _text(self, response: urllib3.BaseHTTPResponse, ends: float) -> bytes:
        if response.status == 304 and self._accepted is not None:
            return self._accepted[0]
        if response.status != 200:
            raise KeysError(f"{self.place} answered with HTTP status {response.status}.")
        text = bytearray()
        while chunk := response.read1(65_536, decode_content=False):
            text += chunk
            if len(text) > MAX_BYTES:
                raise KeysError(f"{self.place} sent more than {MAX_BYTES} bytes.")
            if time.monotonic() > ends:
                raise KeysError(f"{self.place} took more than {_WHOLE_SECONDS:g} s to answer.")
        length = response.headers.get("Content-Length")
        if length is not None and length != str(len(text)):
            raise KeysError(f"{self.place} broke off its answer.")
        return bytes(text)

    def _freshness(self, cache_control: str) -> float:
        """The server's word within bounds: never longer than declared, never so short that it is a flood."""
        told = _MAX_AGE.search(cache_control)
        if _NOT_KEPT.search(cache_control):
            seconds = 0.0
        else:
            seconds = float(told[1]) if told else self._refresh_seconds
        return min(self._refresh_seconds, max(_LEAST_SECONDS, seconds))


class KeysFile:
    """Keys in a file, which whoever replaces it should replace as a whole (write another, rename)."""

    def __init__(self, issuer: str, path: Path, refresh_seconds: float) -> None:
        self.issuer = issuer
        self.place = str(path)
        self.fresh_seconds = float(refresh_seconds)
        self._path = path
        self._read: tuple[int, int, int] | None = None

    def changed(self) -> bool:
        """Whether the file is another one than was read last, or was written since."""
        return self._state() != self._read

    def read(self) -> bytes:
        """The set as it is now. Raises KeysError."""
        self._read = self._state()
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise KeysError(f"{self.place} cannot be read: {error.strerror}.") from error
        if len(text) > MAX_BYTES:
            raise KeysError(f"{self.place} has more than {MAX_BYTES} bytes.")
        return text

    def accept(self) -> None:
        """The core took what was read last."""

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _why(error: urllib3.exceptions.HTTPError) -> str:
    """The reason without the library's addresses of objects."""
    reason = getattr(error, "reason", None) or error
    text = str(reason).rpartition(">: ")[2] or type(reason).__name__
    return re.sub(r"^.*?\): ", "", text, count=1).rstrip(".")
