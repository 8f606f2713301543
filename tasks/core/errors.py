"""The one tree of errors that huggingtweets raises.

    HuggingtweetsError
    ├── PermanentError            retrying does not help
    │   ├── BadInput              an unusable file, name or option
    │   │   ├── InvalidHandle
    │   │   └── UnreadableSource  a malformed archive or table
    │   ├── AccountUnavailable
    │   │   ├── AccountNotFound
    │   │   ├── AccountSuspended
    │   │   ├── AccountProtected
    │   │   ├── AccountRenamed    the account has another handle now
    │   │   └── OptedOut
    │   ├── NotEnoughPosts
    │   ├── TermsNotAccepted
    │   ├── BudgetExceeded        the outcome is `skipped`, not `failed`
    │   ├── SourceStopped         the source returns nothing more in this run, for any account
    │   │   ├── SourceExhausted   a usage cap is reached, or the credits are used up
    │   │   └── TokenRefused
    │   ├── ProcessCrashed        a bot whose retrains ended its process several times
    │   ├── BaseUnavailable       the pretrained model is unknown or cannot be trained
    │   ├── DamagedState          a state file of one bot, account or night cannot be read
    │   └── StorageUnusable       no space is left, or a file in it is damaged
    │       └── WrongStorage      not a folder, no permission, no such bucket, keys refused
    ├── Interrupted               a signal asked for the end of the process; nothing is wrong
    └── TransientError            retrying may help; may carry `next_attempt_at`
        ├── RateLimited
        ├── ServerTrouble
        └── NetworkTrouble

Every message is one line that names the bot or handle, what was seen, and what to do next.
Only transient errors are retried.
"""

from __future__ import annotations

from datetime import datetime


class HuggingtweetsError(Exception):
    """The root; users see its subclasses as one line, without a traceback."""


class PermanentError(HuggingtweetsError):
    """Retrying does not help until something is changed."""


class BadInput(PermanentError):
    """An unusable file, name or option."""


class InvalidHandle(BadInput):
    """A name that is not a valid handle."""


class UnreadableSource(BadInput):
    """A malformed archive or table."""


class AccountUnavailable(PermanentError):
    """An account whose posts cannot be fetched."""


class AccountNotFound(AccountUnavailable):
    """No account has this handle."""


class AccountSuspended(AccountUnavailable):
    """The service has suspended the account."""


class AccountProtected(AccountUnavailable):
    """The account shows its posts to its followers only."""


class AccountRenamed(AccountUnavailable):
    """The account that had this handle has another one now."""


class OptedOut(AccountUnavailable):
    """The account's owner asked not to be used."""


class NotEnoughPosts(PermanentError):
    """Too little text to train on is left after the filters."""


class TermsNotAccepted(PermanentError):
    """A source that is off until its terms are accepted in the settings."""


class BudgetExceeded(PermanentError):
    """Fetching would cost more than is left of the run's or the month's budget."""


class SourceStopped(PermanentError):
    """The source returns nothing more for any account in this run; other sources go on."""


class SourceExhausted(SourceStopped):
    """The service's usage cap is reached, or its credits are used up."""


class TokenRefused(SourceStopped):
    """The token is missing, wrong, or not allowed to read posts."""


class ProcessCrashed(PermanentError):
    """The last retrains of a bot all ended when their process died."""


class BaseUnavailable(PermanentError):
    """The pretrained model is unknown or cannot be trained."""


class DamagedState(PermanentError):
    """A state file of one bot, account or night cannot be read; the others can."""


class StorageUnusable(PermanentError):
    """The storage root cannot be written to, or a file in it is damaged."""


class WrongStorage(StorageUnusable):
    """What was named as the storage cannot be one, or not with these rights."""


class Interrupted(HuggingtweetsError):
    """A signal asked for the end; what was under way can be taken up again."""


class TransientError(HuggingtweetsError):
    """Retrying may help, at `next_attempt_at` (UTC) where the service named a time."""

    def __init__(self, message: str, *, next_attempt_at: datetime | None = None) -> None:
        super().__init__(message)
        self.next_attempt_at = next_attempt_at


class RateLimited(TransientError):
    """The service asked for a pause."""


class ServerTrouble(TransientError):
    """The service answered with an internal error."""


class NetworkTrouble(TransientError):
    """No answer came, or an incomplete one."""
