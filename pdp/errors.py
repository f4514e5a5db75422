"""The failures that a user can cause or mend: each one's text is one clear sentence, shown without a trace.

Parts with an error of their own (`BundleError`, …) derive it from `PdpError`, so that the command line has
one place that reports failures.
"""


class PdpError(Exception):
    """An expected failure. `str(error)` is one clear sentence for the person at the keyboard."""


class ConfigError(PdpError):
    """A setting that is unknown, has the wrong type, or stands in a file that cannot be read."""


class ServeError(PdpError):
    """The sidecar cannot start, e.g. because an address is in use."""


class RecordsError(PdpError):
    """Records that cannot be read or are refused."""


class InvalidRequest(PdpError, ValueError):
    """A request that is not a valid question, so that there is no decision.

    `field` is the path of the offending field ("subject.id"; "" is the request itself), `message` says what
    is wrong with it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.message = message
