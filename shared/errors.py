"""The one exception for what a user can mend."""

from __future__ import annotations


class UserError(Exception):
    """Bad input: one line that says what was wrong, where, and what to do. The command line exits with 2 on it."""
