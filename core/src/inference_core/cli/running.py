"""Runs a command line: how results, errors and warnings come out, as text or as JSON.

Each command is a module of its own, imported when it is called, so that `infer backends` loads
neither numpy nor pydantic.
"""

from __future__ import annotations

import importlib
import io
import itertools
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import nullcontext

from inference_core.cli.grammar import USAGE, WrongUsage, parser
from inference_core.cli.output import print_json, stdout_for_json
from inference_core.errors import InferenceError, InvalidArgument, NoBackendFound
from inference_core.tables import printable

DONE, FAILED = 0, 1


def run(arguments: Sequence[str] | None) -> int:
    """Run a command line, that of the process if it is None; the exit code."""
    try:
        _prepare_streams()
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        code = _run(arguments)
        # Here and not when Python ends, which could no longer say what went wrong.
        sys.stdout.flush()
        return code
    except OSError as error:
        # What is left to print must go somewhere, or Python complains once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # else the reader of the pipe has seen enough
            print(f"error: standard output can't be written: {error}", file=sys.stderr)
        return FAILED


def _run(words: Sequence[str] | None) -> int:
    arguments = sys.argv[1:] if words is None else words
    try:
        options = parser().parse_args(arguments)
    except SystemExit:  # after --help or --version
        return DONE
    except WrongUsage as error:
        # Wrong as it is, it can still say how it wants to hear of it.
        if "--json" in itertools.takewhile(lambda word: word != "--", arguments):
            return _failed(InvalidArgument(error.message), True, USAGE)
        print(f"{error.usage}{error.program}: error: {printable(error.message)}", file=sys.stderr)
        return USAGE
    try:
        with stdout_for_json(words is None) if options.json else nullcontext():
            command = importlib.import_module(f"inference_core.cli.{options.module}")
            return int(command.run(options))
    except InvalidArgument as error:
        return _failed(error, options.json, USAGE)
    except InferenceError as error:
        return _failed(error, options.json, FAILED)
    except BrokenPipeError:
        raise
    except OSError as error:  # a file or folder of --save, --output or a picture that can't be used
        return _failed(error, options.json, FAILED)


def _prepare_streams() -> None:
    """Let both streams exist, and print what the terminal doesn't know escaped."""
    if sys.stdout is None:
        # Closed by the caller. One that can't be written fails only if something is printed.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _failed(error: Exception, as_json: bool, code: int) -> int:
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error)}}, indent=None)
    elif isinstance(error, NoBackendFound):
        from inference_core.cli.fixes import on_the_command_line

        table = on_the_command_line(error.resolution)
        print(f"error: {_lines(error.args[0])}\n\n{table}", file=sys.stderr)
    else:
        print(f"error: {_lines(str(error))}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"warning: {_lines(str(message))}", file=sys.stderr)


def _lines(message: str) -> str:
    """A message of others, maybe of several lines; those after the first are marked as its own."""
    return "\n  | ".join(map(printable, message.splitlines()))
