"""Bytecode for a function's zip: Lambda's disk takes none, and each start would compile anew."""

from __future__ import annotations

import importlib.util
import marshal
import sys
import warnings
from pathlib import PurePosixPath

_UNCHECKED_HASH = 1
"""PEP 552: the source is not looked at again. Dates do not survive a zip's way to Lambda."""

_WITHOUT_REFERENCES = 2
"""marshal's format in which bytes do not depend on what else the process refers to."""


def compile_module(name: str, source: bytes) -> tuple[str, bytes]:
    """The path of a module's bytecode beside its source, and the bytecode.

    The bytes depend on name, source and the interpreter's version alone. Another version of Python
    passes them over and compiles the source, which stays for tracebacks too.

    Args:
        name: of the source, from the zip's root.
        source: the file's.

    Raises:
        SyntaxError: it is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, which were read by others
        code = compile(source, name, "exec", dont_inherit=True)
    path = PurePosixPath(name)
    cached = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
    flags = _UNCHECKED_HASH.to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source)
    return str(cached), head + marshal.dumps(code, _WITHOUT_REFERENCES)
