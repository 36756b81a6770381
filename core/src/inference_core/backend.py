"""One backend plugin behind one typed face: its hooks are called here and nowhere else.

Each backend has a small pluggy manager of its own that holds it and the installed wrappers, so no
other backend can answer for its sessions. Whatever a hook raises or returns by mistake becomes a
verdict, a problem or a `PluginError` that names the plugin, its distribution and version.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, is_dataclass, replace
from types import TracebackType
from typing import Any

import pluggy

from inference_core import discovery, hookspecs
from inference_core.arguments import build_options, did_you_mean
from inference_core.configuration import Configuration
from inference_core.discovery import Plugin, Record
from inference_core.environment import Environment, same_device
from inference_core.errors import InferenceError, PluginError
from inference_core.hookspecs import HOOKS, PLUGIN_API, PROJECT
from inference_core.install import install_command
from inference_core.package import Artifact, Request
from inference_core.session import Session
from inference_core.verdict import BackendReport, Reason, Verdict

Predict = Callable[[Session, Any, Mapping[str, Any]], Any]

# The hooks that wrappers see; the others are asked without them, and cached.
WRAPPED = ("load", "predict")

# What a plugin may raise that must not end the program; KeyboardInterrupt passes.
_ANY = (Exception, SystemExit)


class Backend:
    """A usable backend plugin.

    Attributes:
        record: where it comes from.
        plugin: the module or instance that the entry point gives.
        kind: "tensor" or "task".
        options: the dataclass of its load options, None if it declares none.
        devices: names of devices that it knows, here or not, besides those that every backend knows.
    """

    def __init__(self, record: Record, plugin: Any, wrappers: tuple[Plugin, ...]) -> None:
        self.record = record
        self.plugin = plugin
        self.kind: str = getattr(plugin, "KIND", "tensor")
        self.options: type[Any] | None = getattr(plugin, "OPTIONS", None)
        self.devices: tuple[str, ...] = getattr(plugin, "DEVICES", ())
        if not isinstance(self.devices, tuple):
            raise TypeError("its DEVICES are no tuple of str")
        if self.options is not None:
            if not is_dataclass(self.options):
                raise TypeError("its OPTIONS is no dataclass")
            self.options()  # every option needs a default: most calls give none
        self._wrappers = wrappers
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(plugin, record.name)
        for name in HOOKS:
            if not getattr(self._manager.hook, name).get_hookimpls():
                raise TypeError(f"its {name} isn't marked with @hookimpl")
        self._own_code = {
            impl.function.__code__
            for name in HOOKS
            for impl in getattr(self._manager.hook, name).get_hookimpls()
            if hasattr(impl.function, "__code__")
        }
        _pass_defaulted(self._manager)
        self._direct = {name: self._adapter(name) for name in HOOKS}
        for wrapper in wrappers:
            self._manager.register(
                wrapper.value, f"{wrapper.record.distribution}:{wrapper.record.name}"
            )
        _pass_defaulted(self._manager)
        self._reports: dict[bool, BackendReport] = {}

    @property
    def name(self) -> str:
        """What users call it."""
        return self.record.name

    def probe(self, environment: Environment, deep: bool = False) -> BackendReport:
        """What the backend could use here; asked once per process and depth. Never raises."""
        if deep not in self._reports:
            self._reports[deep] = self.probe_again(environment, deep)
        return self._reports[deep]

    def probe_again(self, environment: Environment, deep: bool = False) -> BackendReport:
        """`probe`, asked anew. Never raises."""
        try:
            report = self._direct["probe_environment"](environment, deep)
        except _ANY as error:  # a plugin may raise anything
            return BackendReport(problems=(self._raised("probe_environment", error),))
        if not isinstance(report, BackendReport):
            return BackendReport(
                problems=(self._returned("probe_environment", report, "BackendReport"),)
            )
        return report

    def can_load(self, artifact: Artifact, environment: Environment, request: Request) -> Verdict:
        """The backend's own verdict, without what core adds. Never raises."""
        try:
            verdict = self._direct["can_load"](artifact, environment, request)
        except _ANY as error:  # a plugin may raise anything
            return Verdict.broken(self._raised("can_load", error))
        if not isinstance(verdict, Verdict):
            return Verdict.broken(self._returned("can_load", verdict, "Verdict"))
        asked = request.device
        if verdict.device and asked and not same_device(asked, verdict.device):
            mistake = f"accepted for {verdict.device} what was asked for {asked}"
            return Verdict.broken(Reason("error", f"can_load of {self.record.origin} {mistake}"))
        if verdict.status == "accept" and not verdict.device:
            return Verdict.broken(
                self._returned("can_load", "an acceptance without a device", "Verdict")
            )
        return verdict

    def with_options(self, request: Request, values: Mapping[str, Any]) -> Request:
        """The request with this backend's options, typed and checked.

        Raises:
            InvalidArgument: an option that the backend doesn't have, or a value that doesn't fit.
        """
        cls = self.options or _NoOptions
        options = build_options(cls, values, f"backend {self.name!r}")
        return replace(request, options=None if cls is _NoOptions else options)

    def load(self, artifact: Artifact, environment: Environment, request: Request) -> Session:
        """Load through the wrappers.

        Raises:
            PluginError: the backend or a wrapper raised, or gave no session.
        """
        try:
            session = self._manager.hook.load(
                artifact=artifact, environment=environment, request=request
            )
        except InferenceError:
            raise
        except _ANY as error:  # a plugin may raise anything
            raise self.error("load", error, f"loading {artifact.path}") from error
        if not isinstance(session, Session):
            raise PluginError(
                self._returned("load", session, "Session").message + _missing(session, Session)
            )
        return session

    def predict(self) -> Predict:
        """The function that runs a session: the backend's own where no wrapper asks to see the call,
        so that it costs a direct call; else the hook with the wrappers around it."""
        hook = self._manager.hook.predict
        if len(hook.get_hookimpls()) == 1:
            return self._direct["predict"]
        return lambda session, inputs, options: hook(
            session=session, inputs=inputs, options=options
        )

    def error(self, hook: str, error: BaseException, doing: str) -> PluginError:
        """The error to raise (from `error`) when a hook raised while `doing` something."""
        origin = self._culprit(error.__traceback__)
        return PluginError(f"{doing}: {hook} of {origin} raised {type(error).__name__}: {error}")

    def _adapter(self, name: str) -> Callable[..., Any]:
        """The backend's own function for a hook, called with all the hook's arguments in order.

        Authors may leave out and reorder arguments, so the positions are mapped once, here.
        """
        hook = getattr(self._manager.hook, name)
        (impl,) = hook.get_hookimpls()
        wanted, given = tuple(impl.argnames), tuple(hook.spec.argnames)
        if wanted == given:
            return impl.function  # type: ignore[no-any-return]
        positions = [given.index(argument) for argument in wanted]
        function = impl.function
        return lambda *arguments: function(*[arguments[position] for position in positions])

    def _raised(self, hook: str, error: BaseException) -> Reason:
        return Reason(
            "error",
            f"{hook} of {self.record.origin} raised {type(error).__name__}: {error}".rstrip(": "),
            self._switch_off(),
        )

    def _switch_off(self) -> str:
        return (
            f"report it to the author of {self.record.distribution}; "
            f"INFERENCE_DISABLE={self.record.distribution} switches it off"
        )

    def _returned(self, hook: str, value: object, wanted: str) -> Reason:
        what = value if isinstance(value, str) else type(value).__name__
        return Reason(
            "error",
            f"{hook} of {self.record.origin} returned {what} instead of a {wanted}",
            self._switch_off(),
        )

    def _culprit(self, traceback: TracebackType | None) -> str:
        """Which plugin raised: the backend if its code is on the traceback, else a wrapper."""
        codes = set()
        while traceback:
            codes.add(traceback.tb_frame.f_code)
            traceback = traceback.tb_next
        if not codes & self._own_code:
            for wrapper in self._wrappers:
                module = inspect.getmodule(wrapper.value) or type(wrapper.value)
                file = getattr(module, "__file__", None)
                if file and any(code.co_filename == file for code in codes):
                    return f"wrapper {wrapper.record.name!r} ({wrapper.record.origin})"
        return f"backend {self.name!r} ({self.record.origin})"


def _pass_defaulted(manager: pluggy.PluginManager) -> None:
    """Have the arguments passed that plugins give a default, where the hooks have them.

    Some versions of pluggy leave these at their defaults, others pass them. A plugin that gives a newer
    argument a default works with a core from before that argument, and gets it from one that has it.
    """
    for name in HOOKS:
        hook = getattr(manager.hook, name)
        for impl in hook.get_hookimpls():
            _pass_defaulted_to(impl, hook.spec.argnames)


def _pass_defaulted_to(impl: Any, argnames: Collection[str]) -> None:
    known = [name in argnames for name in impl.kwargnames]
    count = known.index(False) if False in known else len(known)
    if any(known[count:]):
        name = impl.kwargnames[known.index(True, count)]
        raise TypeError(
            f"its {impl.function.__name__} has {name!r} after an argument that the hook doesn't have"
        )
    impl.argnames, impl.kwargnames = (*impl.argnames, *impl.kwargnames[:count]), ()


@dataclass(frozen=True, eq=False)
class _NoOptions:
    """The options of a backend that declares none."""


def _missing(value: object, protocol: type) -> str:
    names = [n for n in ("inputs", "outputs", "metadata", "task", "device", "thread_safe",
                         "device_arrays", "close") if not hasattr(value, n)]  # fmt: skip
    return f": it lacks {', '.join(names)}" if names else ""


def open_backends(
    settings: Configuration, only: str | None = None
) -> list[tuple[Record, Backend | Reason]]:
    """Every installed backend (or only the one of that name), usable or with the reason why not."""
    wrappers = tuple(plugin for plugin, reason in judged_wrappers(settings) if reason is None)
    chosen = None if only is None else (only,)
    return [
        (plugin.record, plugin.failure or _open(plugin, wrappers))
        for plugin in discovery.plugins("backends", settings, chosen)
    ]


def judged_wrappers(settings: Configuration) -> list[tuple[Plugin, Reason | None]]:
    """Every installed wrapper, and why it can't be used, or None."""
    judged: list[tuple[Plugin, Reason | None]] = []
    for plugin in discovery.plugins("wrappers", settings):
        reason = _wrapper_problem(plugin)
        twin = next((p for p, r in judged if r is None and p.value is plugin.value), None)
        if reason is None and twin is not None:
            reason = Reason(
                "ambiguous",
                f"wrapper {plugin.record.name!r} of {plugin.record.origin} is the same object as "
                f"{twin.record.name!r} of {twin.record.origin}",
                f"INFERENCE_DISABLE={plugin.record.name}",
            )
        judged.append((plugin, reason))
    return judged


def _wrapper_problem(plugin: Plugin) -> Reason | None:
    """Why a wrapper plugin can't be used, or None."""
    record = plugin.record
    if plugin.failure:
        return plugin.failure
    if inspect.isclass(plugin.value):
        return _class_reason(record)
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin.value)
        _pass_defaulted(manager)
    except Exception as error:  # noqa: BLE001 - pluggy inspects attributes, which may raise anything
        return _argument_problem(record, plugin.value) or Reason(
            "error", f"wrapper {record.name!r} of {record.origin} is refused: {error}"
        )
    impls = [impl for hook in HOOKS for impl in getattr(manager.hook, hook).get_hookimpls()]
    plain = [impl.function.__name__ for impl in impls if not (impl.wrapper or impl.hookwrapper)]
    if plain:
        # It would be a second backend in every backend's manager, and answer in its place.
        return Reason(
            "error",
            f"wrapper {record.name!r} of {record.origin} implements {', '.join(plain)} as a plain hook",
            "mark it @hookimpl(wrapper=True)",
        )
    others = {impl.function.__name__ for impl in impls} - set(WRAPPED)
    if others or not impls:
        what = f"wraps {', '.join(sorted(others))}" if others else "wraps nothing"
        return Reason(
            "error",
            f"wrapper {record.name!r} of {record.origin} {what}; wrappers see {' and '.join(WRAPPED)}",
        )
    return None


# Opening a backend costs about a millisecond, so each is kept, with the wrappers it was opened with.
_opened: dict[tuple[int, ...], tuple[tuple[Plugin, ...], Backend | Reason]] = {}
discovery.on_refresh(_opened.clear)


def _open(plugin: Plugin, wrappers: tuple[Plugin, ...]) -> Backend | Reason:
    plugins = (plugin, *wrappers)
    # By identity, for entry points may give unhashable objects; the entry keeps them alive.
    key = tuple(id(each.value) for each in plugins)
    if key not in _opened:
        try:
            opened = _checked(plugin, wrappers)
        except _ANY as error:  # attributes of a plugin may be computed, and raise anything
            origin = plugin.record.origin
            opened = Reason("error", f"{origin} is refused: {type(error).__name__}: {error}")
        _opened[key] = (plugins, opened)
    return _opened[key][1]


def _checked(plugin: Plugin, wrappers: tuple[Plugin, ...]) -> Backend | Reason:
    record, value = plugin.record, plugin.value
    if inspect.isclass(value):
        return _class_reason(record)
    api = getattr(value, "PLUGIN_API", None)
    if api != PLUGIN_API:
        found = f"is written for PLUGIN_API {api}" if api is not None else "states no PLUGIN_API"
        newer = isinstance(api, int) and api > PLUGIN_API
        fix = _newer_core() if newer else f"upgrade {record.distribution}"
        return Reason(
            "api-version",
            f"{record.origin} {found}; this inference-core speaks {PLUGIN_API}",
            fix,
        )
    missing = [name for name in HOOKS if not hasattr(value, name)]
    if missing:
        return Reason("error", f"{record.origin} doesn't implement the hook {', '.join(missing)}")
    if getattr(value, "KIND", "tensor") not in ("tensor", "task"):
        return Reason(
            "error", f'{record.origin} states KIND = {value.KIND!r}; it is "tensor" or "task"'
        )
    try:
        return Backend(record, value, wrappers)
    except pluggy.PluginValidationError as error:
        return _argument_problem(record, value) or Reason(
            "error", f"{record.origin} is refused: {error}"
        )


def _argument_problem(record: Record, value: Any) -> Reason | None:
    """Which hook takes an argument that this core doesn't pass, and whether it is misspelt."""
    for name in HOOKS:
        function = getattr(value, name, None)  # a wrapper has only some
        if not callable(function):
            continue
        known = tuple(inspect.signature(getattr(hookspecs, name)).parameters)
        for argument in inspect.signature(function).parameters.values():
            if argument.default is not argument.empty or argument.name in known:
                continue
            said = (
                f"{name} of {record.origin} takes the argument {argument.name!r}, which the hook of "
                "this inference-core doesn't have"
            )
            if hint := did_you_mean(argument.name, known):
                return Reason("error", said + hint)
            has = f"; it has {', '.join(known)}"
            return Reason("api-version", said + has, _newer_core())
    return None


def _newer_core() -> str:
    return install_command("--upgrade", "inference-core")


def _class_reason(record: Record) -> Reason:
    return Reason(
        "error",
        f"{record.origin} gives the class {record.value} as its entry point; "
        "an entry point gives a module or an instance",
    )
