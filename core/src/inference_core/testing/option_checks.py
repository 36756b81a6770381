"""Checks of options: declared, typed, and no typo taken for one."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from inference_core import AutoModel
from inference_core.errors import InferenceError, InvalidArgument, PluginError
from inference_core.package import Request
from inference_core.testing.failure import failed
from inference_core.testing.kit import Kit
from inference_core.testing.plugin import Plugin
from inference_core.testing.subject import Subject

_DECLARE = (
    "declare the options as a dataclass with defaults and types that pydantic can check, and raise "
    "ValueError in its __post_init__ for values out of range"
)


class OptionChecks(Kit):
    """What users mistype is named, with a suggestion."""

    def test_a_misspelt_load_option_is_named(self, plugin: Plugin) -> None:
        names = _fields(plugin.backend.options) or ["threads"]
        for name in names:
            typo = _misspelt(name, names)
            try:
                plugin.backend.with_options(Request(), {typo: 1})
            except InvalidArgument as error:
                if typo in str(error):
                    continue
                failed(f"the error for the option {typo!r} doesn't name it: {error}", _DECLARE)
            except PluginError as error:
                failed(str(error), _DECLARE)
            failed(f"the load option {typo!r} is taken without an error", _DECLARE)

    def test_a_load_option_of_a_wrong_type_is_named(self, plugin: Plugin) -> None:
        for name in _fields(plugin.backend.options):
            try:
                plugin.backend.with_options(Request(), {name: object()})
            except InvalidArgument:
                continue
            except PluginError as error:
                failed(str(error), _DECLARE)
            failed(
                f"the load option {name} takes any object",
                "annotate it with a type that pydantic can check: int, float, str, bool, a Literal, …",
            )

    def test_load_options_are_documented(self, plugin: Plugin) -> None:
        options = plugin.backend.options
        text = (options.__doc__ or "") if options else ""
        if options and text.startswith(f"{options.__name__}("):
            text = ""  # what dataclasses writes where there is none
        missing = [name for name in _fields(options) if name not in text]
        if missing:
            failed(
                f"the docstring of {getattr(options, '__name__', 'OPTIONS')} doesn't mention "
                f"{', '.join(missing)}",
                "say what each option does, in which unit and range",
            )

    def test_a_misspelt_option_of_a_call_is_named(self, runnable: Subject) -> None:
        subject = runnable
        if subject.backend.kind == "tensor":
            pytest.skip("options of a call are for task backends; tensor backends get none")
        sample = subject.sample
        typo = "kit_option"
        with subject.model() as model:
            try:
                model.predict(sample.inputs, **{**sample.parameters, typo: 1})
            except InvalidArgument as error:
                if typo in str(error):
                    return
                failed(f"the error for the option {typo!r} doesn't name it: {error}", _CALL)
            except InferenceError as error:
                failed(f"an unknown option of a call raises {error}", _CALL)
            failed("an unknown option of a call is taken without an error", _CALL)

    def test_a_resolution_explains_a_misspelt_option(self, subject: Subject) -> None:
        names = _fields(subject.backend.options) or ["threads"]
        typo = _misspelt(names[0], names)
        try:
            AutoModel.resolve(
                subject.sample.model, backend=subject.plugin.record.name, options={typo: 1}
            )
        except InvalidArgument as error:
            if typo in str(error):
                return
            failed(f"the error for the option {typo!r} doesn't name it: {error}", _DECLARE)
        failed(f"the option {typo!r} is taken without an error", _DECLARE)


_CALL = (
    "let the session declare call_options, a dataclass with defaults; or raise InvalidArgument in "
    "predict() for names that it doesn't know"
)


def _fields(options: type[Any] | None) -> list[str]:
    return [] if options is None else [field.name for field in dataclasses.fields(options)]


def _misspelt(name: str, known: list[str]) -> str:
    """The name with two letters swapped, or with one more where that is the same."""
    swapped = f"{name[1]}{name[0]}{name[2:]}" if len(name) > 1 else name
    return f"{name}_" if swapped in known else swapped
