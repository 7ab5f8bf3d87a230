"""A module that fails while it is imported."""

raise LookupError("broken on purpose")
