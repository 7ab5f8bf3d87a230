"""What an import in Lambda makes of the `.pyc` of a module.

Source: https://peps.python.org/pep-0552/
"""

from __future__ import annotations

import struct
import sys
import warnings
from enum import Enum
from importlib.util import MAGIC_NUMBER, source_hash

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"

_HEADER = struct.Struct("<4sI8s")  # magic number, flags, and the source's hash or its time and size


class Finding(Enum):
    """What there is to say about a module, the worst first, in words for the user."""

    STALE = "compiled from other source, which runs in place of this one"
    DAMAGED = "damaged .pyc"
    OTHER_VERSION = ".pyc of another Python version"
    MISSING = "no .pyc for this Python version"
    TIMESTAMP = "timestamp-based .pyc, void once the source has another time"
    CHECKED = "checked-hash .pyc, the source is read and hashed at every cold start"
    NOT_PYTHON = "not valid Python, and no fault as nothing can import it"
    VALID = "valid .pyc"


# The third does not occur, but is no fault for Python.
_BY_FLAGS = {0b00: Finding.TIMESTAMP, 0b01: Finding.VALID, 0b10: Finding.TIMESTAMP, 0b11: Finding.CHECKED}


def judge(pyc: bytes | None, source: bytes | None, version: str = RUNNING) -> Finding:
    """What there is to say about a module.

    The magic number and the source's hash differ between versions of Python, and only those of the running one are known. For another
    version, what cannot be told apart is valid.

    Args:
        pyc: The file for this version of Python, if there is one.
        source: The module's source, unless the `.pyc` stands in its place.
        version: The function's Python, such as `3.13`.
    """
    if pyc is None:
        return Finding.MISSING if _is_python(source or b"") else Finding.NOT_PYTHON
    if len(pyc) <= _HEADER.size:
        return Finding.DAMAGED
    magic, flags, compiled_from = _HEADER.unpack_from(pyc)
    if (magic == MAGIC_NUMBER) is not (version == RUNNING):
        return Finding.OTHER_VERSION
    finding = _BY_FLAGS.get(flags, Finding.DAMAGED)
    if source is None and finding is not Finding.DAMAGED:
        return Finding.VALID
    if source is not None and finding is Finding.VALID and version == RUNNING and compiled_from != source_hash(source):
        return Finding.STALE
    return finding


def _is_python(source: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "", "exec", dont_inherit=True)
        except Exception:  # also for want of memory, or too deep
            return False
    return True
