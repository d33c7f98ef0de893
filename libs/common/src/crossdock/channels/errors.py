"""The one typed answer to every failed call to the outside; a dispatcher decides by type, never by text."""

from dataclasses import dataclass


@dataclass(eq=False)
class ChannelError(Exception):
    """Something outside did not do what was asked. `sentence` is fit for a person and holds no personal data."""

    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(eq=False)
class Retryable(ChannelError):
    """It certainly did not happen (refused before acting); ask again after so many seconds."""

    after: float = 5.0


@dataclass(eq=False)
class RateLimited(Retryable):
    """The budget is spent; ask again after so many seconds."""


@dataclass(eq=False)
class AuthExpired(ChannelError):
    """The access token is no longer accepted: fetch a new one and ask again."""


@dataclass(eq=False)
class Permanent(ChannelError):
    """Asking again changes nothing; `code` is the vendor's or ours."""

    code: str = "permanent"


@dataclass(eq=False)
class AlreadyDone(ChannelError):
    """It had happened before: a success."""

    external_id: str = ""


@dataclass(eq=False)
class Unsupported(ChannelError):
    """The channel cannot do this: a manual task for a person."""


@dataclass(eq=False)
class Unknown(ChannelError):
    """No answer, or one that does not say: it may have happened. Look before asking again."""
