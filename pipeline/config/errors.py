"""The error for what a user can mend: it says what, where, and what to do, and never carries a customer's identity."""


class UserError(Exception):
    """Shown as one line and a non-zero exit; never a traceback."""


class ConfigError(UserError):
    """A setting is missing or wrong. `where` names the key, as `section.key`."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.where = where
        self.what = what
