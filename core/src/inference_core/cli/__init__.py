"""The command line `infer`: its grammar, and how errors and exit codes come out.

Each command is a module of its own, imported when it is called, so that `infer backends` loads
neither numpy nor pydantic. Exit codes: 0 done, 1 the work failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from inference_core.arguments import did_you_mean
from inference_core.errors import InferenceError, InvalidArgument

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse, with a suggestion for a misspelt command or option."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and end with exit code 2."""
        words = message.split()
        known = [name for action in self._actions for name in action.option_strings]
        if message.startswith("unrecognized arguments"):
            known += [
                n
                for sub in self._commands().values()
                for a in sub._actions
                for n in a.option_strings
            ]
            message += did_you_mean(next((w for w in words if w.startswith("-")), ""), known)
        elif "invalid choice:" in message and self._commands():
            wrong = message.split("invalid choice: ")[1].split("'")[1]
            message = f"there is no command {wrong!r}"
            message += did_you_mean(wrong, self._commands()) or f"; see {self.prog} --help"
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: error: {message}\n")

    def _commands(self) -> dict[str, argparse.ArgumentParser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the exit code."""
    options = _parser().parse_args(arguments)
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    for stream in (sys.stdout, sys.stderr):
        # A file name may be no text, or none that this terminal knows: it is printed escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    command = importlib.import_module(f"inference_core.cli.{options.module}")
    try:
        return int(command.run(options))
    except InvalidArgument as error:
        return _failed(error, options.json, USAGE)
    except InferenceError as error:
        return _failed(error, options.json, FAILED)
    except BrokenPipeError:
        # The reader of the pipe has seen enough. Python would complain once more while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # a file or folder of --save, --output or a picture that can't be used
        return _failed(error, options.json, FAILED)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _failed(error: Exception, as_json: bool, code: int) -> int:
    if as_json:
        print(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
    else:
        print(f"error: {error}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _parser() -> Parser:
    parser = Parser(
        prog="infer",
        description="Run machine-learning models on the best backend this machine has.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = _command(
        commands, "demo", "run the bundled model on a bundled picture and draw what it finds"
    )
    _loading(demo)
    demo.add_argument(
        "--save",
        metavar="FILE",
        default="inference-demo.png",
        help="where to write the annotated picture",
    )

    predict = _command(commands, "predict", "run a model on files, folders and globs")
    predict.add_argument("model", help="a model file or folder, or a bundled name such as shapes")
    predict.add_argument("inputs", nargs="+", help="pictures, folders of pictures, or quoted globs")
    _loading(predict)
    predict.add_argument("--save", metavar="DIR", help="write annotated pictures into this folder")
    predict.add_argument("--output", metavar="FILE", help="write the JSON lines to this file")
    predict.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a per-call option of the model, such as confidence=0.5; may be repeated",
    )

    explain = _command(
        commands, "explain", "say which backend would run a model, and why not the others", ["why"]
    )
    explain.add_argument("model", help="a model file or folder, or a bundled name such as shapes")
    _loading(explain)

    doctor = _command(commands, "doctor", "report this machine, every plugin and every problem")
    doctor.add_argument(
        "--deep", action="store_true", help="also try each runtime, in a child process of its own"
    )
    doctor.add_argument(
        "--timeout", type=_seconds, default=120.0, help="seconds for each deep probe (default 120)"
    )

    _command(commands, "backends", "list the installed backends and what else could be installed")
    return parser


def _command(
    commands: argparse._SubParsersAction[Parser],
    name: str,
    summary: str,
    aliases: Sequence[str] = (),
) -> Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        aliases=aliases,
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(module=name)
    return parser


def _loading(parser: Parser) -> None:
    group = parser.add_argument_group("choosing a backend")
    group.add_argument("--backend", help="the only backend to consider, such as onnx")
    group.add_argument("--device", help="cpu, cuda, cuda:1, mps")
    group.add_argument("--precision", help="fp32, fp16, bf16, int8")
    group.add_argument("--batch-size", type=int, metavar="N", help="inputs to run at once")
    group.add_argument("--preference", metavar="A,B", help="backends, best first")
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the backend, such as threads=2; may be repeated",
    )
    group.add_argument(
        "--allow-code", action="store_true", help="allow what runs code that comes with the model"
    )
    if "explain" not in parser.prog:
        group.add_argument(
            "--strict", action="store_true", help="fail rather than take the second-best backend"
        )


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return seconds


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from inference_core import __version__

        print(f"inference-core {__version__}")
        parser.exit(DONE)
