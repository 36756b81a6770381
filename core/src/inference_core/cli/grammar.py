"""The grammar of `infer`: its commands and options, and what is said to who mistypes them.

What a command does is no matter here: `options.module` names the module that runs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from inference_core.arguments import closest, did_you_mean

USAGE = 2


class WrongUsage(Exception):
    """A command line that isn't one.

    Attributes:
        message: what is wrong with it.
        usage: the lines that show how it goes.
        program: what was called, "infer" or "infer predict".
    """

    def __init__(self, message: str, usage: str, program: str) -> None:
        super().__init__(message)
        self.message, self.usage, self.program = message, usage, program


class Parser(argparse.ArgumentParser):
    """argparse, with a sentence for a misspelt or misplaced command or option."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The options.

        Raises:
            WrongUsage: an argument is missing, unknown or of a wrong value.
        """
        words = list(sys.argv[1:] if args is None else args)
        first = _option(words[0]) if words else ""
        if first and first not in self.options() and self._takers(first):
            # Found before parsing, which would take the option's value for the command.
            self.error(f"{first} stands after the command: {self.prog} COMMAND {first}")
        options, unknown = self.parse_known_args(words, namespace)
        if unknown:
            # "-p confidence 0.5" leaves 0.5 over.
            given = [*getattr(options, "option", ()), *getattr(options, "param", ())]
            for pair in given:
                if "=" not in pair:
                    self.error(f"{pair!r} should be NAME=VALUE, after -p or --option")
            self.error(self._unknown(options.command, unknown))
        return options

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, instead of printing it and ending the program."""
        raise WrongUsage(message, self.format_usage(), self.prog)

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse's own doesn't tell if it couldn't."""
        print(self.format_help(), end="", file=file)

    def options(self) -> list[str]:
        """All spellings of this parser's own options."""
        return [name for action in self._actions for name in action.option_strings]

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            hint = did_you_mean(value, action.choices) or f"; see {self.prog} --help"
            raise argparse.ArgumentError(None, f"there is no command {value!r}{hint}")
        super()._check_value(action, value)

    def _unknown(self, command: str, unknown: Sequence[str]) -> str:
        wrong = next(filter(None, map(_option, unknown)), "")
        takers = self._takers(wrong)
        if takers:
            return f"{command} takes no {wrong}; it is an option of {' and '.join(takers)}"
        # Without dashes, which make any two options alike.
        known = {name.strip("-"): name for name in self._commands()[command].options()}
        meant = closest(wrong.strip("-"), known)
        hint = f"; did you mean {known[meant]!r}?" if meant else ""
        if wrong.startswith("--") and not meant and "param" in known:
            hint = f"; an option of the model is given as -p {_as_pair(wrong, unknown)}"
        return f"unrecognized arguments: {' '.join(unknown)}{hint}"

    def _takers(self, option: str) -> list[str]:
        """The commands that have this option, by their first name."""
        commands = self._commands().items()
        return [
            name
            for name, parser in commands
            if option in parser.options() and parser.get_default("module") == _module(name)
        ]

    def _commands(self) -> dict[str, Parser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}


def _as_pair(option: str, unknown: Sequence[str]) -> str:
    """ "confidence=0.5" for "--confidence=0.5", and for "--confidence", "0.5" among the unknown."""
    at = next(index for index, word in enumerate(unknown) if _option(word) == option)
    _, equals, value = unknown[at].partition("=")
    if not equals and at + 1 < len(unknown) and not _option(unknown[at + 1]):
        value = unknown[at + 1]
    return f"{option.strip('-')}={value or 'VALUE'}"


def _option(word: str) -> str:
    """The option in "--device=cpu", "" where the word is none."""
    return word.partition("=")[0] if word.startswith("-") and word.strip("-") else ""


def parser() -> Parser:
    """All commands with their options."""
    top = Parser(
        prog="infer",
        description="Run machine-learning models on the best backend this machine has.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    commands = top.add_subparsers(
        title="commands", required=True, metavar="COMMAND", dest="command"
    )

    demo = _command(
        commands, "demo", "run the bundled model on a bundled picture and draw what it finds"
    )
    _loading(demo)
    demo.add_argument(
        "--save",
        type=_name,
        metavar="FILE",
        default="inference-demo.png",
        help="where to write the annotated picture",
    )

    predict = _command(commands, "predict", "run a model on pictures, videos, PDFs or a camera")
    predict.add_argument("model", help="a model file or folder, or a bundled name such as shapes")
    predict.add_argument(
        "inputs",
        nargs="+",
        help="pictures, videos, PDFs (OCR), folders of them, quoted globs, or 0 for the first camera",
    )
    _loading(predict)
    predict.add_argument(
        "--save",
        type=_name,
        metavar="DIR",
        help="write annotated pictures and videos, and documents as hOCR, into this folder",
    )
    predict.add_argument(
        "--output", type=_name, metavar="FILE", help="write the JSON lines to this file"
    )
    predict.add_argument(
        "--coco", type=_name, metavar="FILE", help="write the detections as COCO JSON"
    )
    _param(predict)

    bench = _command(commands, "bench", "measure each backend that accepts a model, stage by stage")
    bench.add_argument("model", help="a model file or folder, or a bundled name such as shapes")
    bench.add_argument("input", nargs="?", help="a picture, or .npz (default: a sample picture)")
    _loading(bench)
    bench.add_argument(
        "--runs", type=_count, default=100, metavar="N", help="calls to measure (default 100)"
    )
    bench.add_argument(
        "--warm-up", type=_count, default=10, metavar="N", help="calls before them (default 10)"
    )
    bench.add_argument(
        "--seconds", type=_seconds, default=30.0, help="stop calling after this time (default 30)"
    )
    bench.add_argument(
        "--save", type=_name, metavar="FILE", help="draw histograms into this picture"
    )
    _param(bench)

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

    new_plugin = _command(
        commands, "new-plugin", "write the project of a backend, complete and working, to change"
    )
    new_plugin.add_argument(
        "name",
        help="what to call the backend, such as the name of its runtime: up to 40 letters and digits, "
        "a letter first; Foo_Bar and inference-foo-bar become foo-bar; refused are words of Python, "
        "formats of model files, and names that an installed plugin or this project has",
    )
    new_plugin.add_argument(
        "--kind",
        choices=("tensor", "task"),
        default="tensor",
        help="tensor (the default) for a runtime of graphs, task for a library that speaks tasks",
    )
    new_plugin.add_argument(
        "--directory",
        metavar="DIR",
        default="",
        help="the folder to write inference-NAME into (default: the current one)",
    )
    return top


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
    parser.set_defaults(module=_module(name))
    return parser


def _module(command: str) -> str:
    return command.replace("-", "_")


def _loading(parser: Parser) -> None:
    group = parser.add_argument_group("choosing a backend")
    group.add_argument("--backend", help="the only backend to consider, such as onnx")
    group.add_argument("--device", help="cpu, cuda, cuda:1, mps")
    group.add_argument("--precision", help="fp32, fp16, bf16, int8")
    group.add_argument("--batch-size", type=_count, metavar="N", help="inputs to run at once")
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
    if parser.get_default("module") not in ("bench", "explain"):
        group.add_argument(
            "--strict", action="store_true", help="fail rather than take the second-best backend"
        )


def _param(parser: Parser) -> None:
    parser.add_argument(
        "-p",
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a per-call option of the model, such as confidence=0.5; may be repeated",
    )


def _name(text: str) -> str:
    """Of a file or folder: a variable of the shell that isn't set must not mean "don't save"."""
    if not text:
        raise argparse.ArgumentTypeError("takes a name, not an empty text")
    return text


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes a whole number, not {text!r}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes a number of seconds, not {text!r}") from None
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0 seconds")
    return seconds


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from inference_core import __version__

        print(f"inference-core {__version__}")
        parser.exit(0)
