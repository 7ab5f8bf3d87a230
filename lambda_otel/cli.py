"""The command `lambda-otel`: reads its arguments and calls what they ask for."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from ._version import __version__
from .bytecode import RUNNING
from .invoke import REGION, invoke, load_events, load_handler
from .package import check, open_package
from .usage import UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status: 0, 1 for what has failed, 2 for a command that cannot be carried out."""
    given = _parser().parse_args(arguments)
    run = cast("Callable[[argparse.Namespace], int]", given.run)
    try:
        status = run(given)
        sys.stdout.flush()
    except UsageError as error:
        print(f"lambda-otel: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads the output has seen enough; nothing may be left that the interpreter writes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lambda-otel", description="OpenTelemetry for AWS Lambda functions in Python")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("invoke", help="run a handler on an event and show the trace")
    command.add_argument("handler", metavar="MODULE.HANDLER", help="the handler, as in the function's own setting")
    command.add_argument("event", metavar="EVENT.json", nargs="?", help="one or several JSON documents; - for standard input")
    command.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="the function's time-out (default 30)")
    command.set_defaults(run=_invoke)
    command = commands.add_parser("check-package", help="say which modules of a deployment package Lambda would have to compile")
    command.add_argument("path", metavar="PATH", type=Path, help="a folder or a zip archive")
    command.add_argument("--python", type=_version, default=RUNNING, metavar="VERSION", help=f"the function's Python (default {RUNNING})")
    command.set_defaults(run=_check_package)
    return parser


def _version(text: str) -> str:
    if not re.fullmatch(r"3\.\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form 3.13")
    return text


def _invoke(given: argparse.Namespace) -> int:
    events = load_events(given.event)
    os.environ.setdefault("AWS_REGION", REGION)
    handler = load_handler(given.handler)
    module_name = given.handler.replace("/", ".").rpartition(".")[0]
    return invoke(handler, events, os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or module_name.rpartition(".")[2], given.timeout)


def _check_package(given: argparse.Namespace) -> int:
    with open_package(given.path) as files:
        report = check(files, given.python)
    encoding = sys.stdout.encoding or "utf-8"
    print("\n".join(report.lines()).encode(encoding, "backslashreplace").decode(encoding))
    return 0 if report.passed else 1
