"""What a command says when it cannot be carried out."""

from __future__ import annotations


class UsageError(Exception):
    """The command cannot be carried out; its text is for the user."""
