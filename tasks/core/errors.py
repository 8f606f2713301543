"""The one tree of errors that users of huggingtweets can meet.

    HuggingtweetsError
    ├── PermanentError            trying again changes nothing
    │   ├── BadInput              a file, a name or an option that cannot be used as it is
    │   │   ├── InvalidHandle
    │   │   └── UnreadableSource  a malformed archive or table
    │   ├── AccountUnavailable
    │   │   ├── AccountNotFound
    │   │   ├── AccountSuspended
    │   │   ├── AccountProtected
    │   │   ├── AccountRenamed    the handle is another account's now, or nobody's
    │   │   └── OptedOut
    │   ├── NotEnoughPosts
    │   ├── TermsNotAccepted
    │   ├── BudgetExceeded        the outcome is `skipped`, not `failed`
    │   ├── SourceStopped         no account can be had from the source in this run
    │   │   ├── SourceExhausted   a usage cap, or credits that are used up
    │   │   └── TokenRefused
    │   ├── ProcessCrashed        a bot that takes its process down, time and again
    │   ├── BaseUnavailable       the pretrained model is unknown or cannot be trained
    │   ├── DamagedState          a state file of one bot, account or night cannot be read
    │   └── StorageUnusable       no permission, no space, not a folder
    └── TransientError            worth another try; may carry `next_attempt_at`
        ├── RateLimited
        ├── ServerTrouble
        └── NetworkTrouble

Every message is one line that names the bot or handle, what was seen, and what to do next.
Only transient errors are retried.
"""

from __future__ import annotations

from datetime import datetime


class HuggingtweetsError(Exception):
    """The root: whatever derives from it is shown to the user as one line, without a traceback."""


class PermanentError(HuggingtweetsError):
    """Trying again without a change changes nothing."""


class BadInput(PermanentError):
    """A file, a name or an option that cannot be used as it is."""


class InvalidHandle(BadInput):
    """A name that no account can have."""


class UnreadableSource(BadInput):
    """A malformed archive or table."""


class AccountUnavailable(PermanentError):
    """An account whose posts cannot be had."""


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
    """Too little text is left after the filters to train on."""


class TermsNotAccepted(PermanentError):
    """A source that stays off until its terms are accepted in the settings."""


class BudgetExceeded(PermanentError):
    """Fetching would cost more than the budget of the run or of the month leaves."""


class SourceStopped(PermanentError):
    """The source gives nothing for any account in this run; other sources go on."""


class SourceExhausted(SourceStopped):
    """The service's usage cap is reached, or the credits are used up."""


class TokenRefused(SourceStopped):
    """The token is missing, wrong, or not allowed to read posts."""


class ProcessCrashed(PermanentError):
    """Several retrains of a bot in a row ended with the death of their process."""


class BaseUnavailable(PermanentError):
    """The pretrained model is unknown or cannot be trained."""


class DamagedState(PermanentError):
    """A state file of one bot, account or night cannot be read; the others can."""


class StorageUnusable(PermanentError):
    """The storage root cannot be written to: permission, space, or not a folder."""


class TransientError(HuggingtweetsError):
    """Worth another try, at `next_attempt_at` (UTC) where the service named a time."""

    def __init__(self, message: str, *, next_attempt_at: datetime | None = None) -> None:
        super().__init__(message)
        self.next_attempt_at = next_attempt_at


class RateLimited(TransientError):
    """The service asked for a pause."""


class ServerTrouble(TransientError):
    """The service answered with an error of its own."""


class NetworkTrouble(TransientError):
    """No answer came, or only a part of one."""
