"""What a caller did wrong. Everything else is a denial."""


class InvalidRequest(ValueError):
    """The request is none that can be decided.

    Attributes:
        field: path of the member, e.g. `subject.id`; "" for the request as a whole.
        message: what is wrong with it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field, self.message = field, message
