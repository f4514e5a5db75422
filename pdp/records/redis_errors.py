"""What goes wrong with a Redis server, as one sentence each; never with a password in it."""

import ssl

from redis import exceptions

from pdp.records.store import StoreError, UnconfirmedError

OLDEST_VERSION = (7, 0)

# What a server answers instead of doing what it was asked.
ANSWERED = (
    exceptions.ResponseError,
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.BusyLoadingError,
)


class NotSentError(StoreError):
    """The server cannot be reached, so that nothing was asked of it. Another one may answer."""


class MovedAwayError(StoreError):
    """The server refused as it is not the primary for these keys (any more); nothing happened."""

    def __init__(self, sentence: str, target: tuple[str, int] | None = None) -> None:
        super().__init__(sentence)
        self.target = target
        """Who it says the primary is."""


class LostError(UnconfirmedError):
    """The connection was lost, or the time was over, before the answer came."""


def connecting_failed(error: exceptions.RedisError | OSError, server: str, *, tls: bool) -> StoreError:
    """What a failure before a connection could be used means."""
    cause = error.__cause__ or error.__context__ or error
    if isinstance(error, ANSWERED):
        known = refused(error, server)
        return NotSentError(str(known)) if isinstance(error, exceptions.BusyLoadingError) else known
    if isinstance(cause, ssl.SSLError) or "SSL" in str(error):
        return _tls_failed(cause, server)
    if isinstance(error, exceptions.InvalidResponse) or "Invalid RESP version" in str(error):
        return _no_redis(server)
    if isinstance(error, exceptions.TimeoutError):
        return NotSentError(f"Redis at {server} does not answer{', or does not speak TLS' if tls else ''}.")
    if isinstance(error, exceptions.MaxConnectionsError):
        return NotSentError("Too many calls to Redis are under way.")
    return NotSentError(f"Redis at {server} cannot be reached: {_reason(cause)}.")


def _tls_failed(cause: BaseException, server: str) -> StoreError:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StoreError(f"The certificate of Redis at {server} is not trusted: {_reason(cause)}.")
    return NotSentError(f"TLS with Redis at {server} fails: {_reason(cause)}.")


def _no_redis(server: str) -> StoreError:
    return StoreError(f"What answers at {server} is no Redis server.")


def lost(error: Exception, server: str) -> StoreError:
    """What a failure after something was sent means: it may have happened or not."""
    if isinstance(error, exceptions.InvalidResponse):
        return _no_redis(server)
    if isinstance(error, exceptions.TimeoutError):
        return LostError(f"Redis at {server} did not answer in time.")
    return LostError(f"The connection to Redis at {server} was lost.")


# The first word of Redis's answer → the sentence.
_REFUSALS = {
    "OOM": "Redis at {server} has no memory left (maxmemory); nothing was changed.",
    "MISCONF": "Redis at {server} cannot write its data to disk and takes no writes; nothing was changed.",
    "NOREPLICAS": "Redis at {server} has too few replicas to take writes; nothing was changed.",
    "NOPERM": "Redis at {server} forbids this user what the record store needs: {text}.",
    "NOAUTH": "Redis at {server} asks for a user and password.",
    "WRONGPASS": "Redis at {server} refuses this user and password.",
    "BUSY": "Redis at {server} is busy with a long script; try again later.",
    "LOADING": "Redis at {server} is loading its data; try again later.",
    "WRONGTYPE": "Redis at {server} has keys of another program where the record store's belong.",
    "NOPROTO": "Redis at {server} is too old; the record store needs version 7.0 or later.",
    "ASK": "Redis Cluster is moving the record store's keys; try again.",
    "TRYAGAIN": "Redis Cluster is moving the record store's keys; try again.",
    "CLUSTERDOWN": "Redis Cluster is down, as {server} says.",
}
# What an answer without such a word has in it → the sentence.
_OTHER_REFUSALS = {
    "unknown command 'HELLO'": _REFUSALS["NOPROTO"],
    "unknown command `HELLO`": _REFUSALS["NOPROTO"],
    "cluster support disabled": "Redis at {server} is no Cluster; write redis://HOST:PORT.",
    "DB index is out of range": "Redis at {server} has no database of that number.",
}
_NOT_PRIMARY = "Redis at {server} is not the primary for the record store's keys."


def refused(error: exceptions.RedisError, server: str) -> StoreError:
    """What an error that the server answered (one of ANSWERED) means."""
    text = str(error)
    if isinstance(error, exceptions.MovedError):
        return MovedAwayError(_NOT_PRIMARY.format(server=server), (error.host, error.port))
    word = getattr(error, "status_code", None) or text.split(" ", 1)[0]
    if word == "UNBLOCKED":
        return UnconfirmedError(
            f"Redis at {server} stopped to be the primary while replicas were waited for."
        )
    if word in {"READONLY", "MASTERDOWN"}:
        return MovedAwayError(_NOT_PRIMARY.format(server=server))
    sentence = _REFUSALS.get(word) or next(
        (known for part, known in _OTHER_REFUSALS.items() if part in text),
        "Redis at {server} answers: {text}.",
    )
    return StoreError(sentence.format(server=server, text=text.removesuffix(".")))


def _reason(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or error).removesuffix(".") or type(error).__name__
