"""Which processor a model needs, and the class that is it: installed processors are asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from inference_core import catalog, discovery
from inference_core.arguments import did_you_mean
from inference_core.configuration import Configuration
from inference_core.errors import InvalidModel
from inference_core.install import install_command
from inference_core.package import Artifact, ModelPackage, ProcessorSpec
from inference_core.processor import Graph, Recognition
from inference_core.verdict import Reason


def recognised(package: ModelPackage, settings: Configuration) -> ModelPackage:
    """The package with task, labels and processor, where a processor recognises its artifacts.

    Of a package that states its processor only that one is asked, for what is left out: the task, the
    labels and, where it states no settings at all, those of each artifact by itself.

    Raises:
        InvalidModel: two processors claim it (the message names the manifest line to write), its
            artifacts contradict each other or the manifest, or a processor sees that the metadata
            are damaged.
    """
    stated = package.processor
    claims = [_claims(artifact, settings, stated) for artifact in package.artifacts]
    names = sorted({name for each in claims for name in each})
    if len(names) > 1:
        raise InvalidModel(
            f"{package.root} is recognised by the processors {' and '.join(names)}; write "
            f'a model.json with the line "processor": {{"name": "{names[0]}"}}'
        )
    if names:
        return _completed(package, names[0], [each.get(names[0]) for each in claims])
    if stated is not None:
        return replace(package, task=package.task or _task_of(stated.name, settings))
    if any(len(each.parts) > 1 for each in package.artifacts):
        return package
    wanted = next(filter(None, map(catalog.processor_wanted, package.artifacts)), None)
    if wanted is None:
        return package
    if any(
        plugin.failure is None for plugin in discovery.plugins("processors", settings, (wanted,))
    ):
        raise InvalidModel(
            f"{package.root} has the metadata of an Ultralytics export, but the processor {wanted!r} "
            "doesn't recognise it; write a model.json that states task, labels and processor"
        )
    return replace(package, processor=ProcessorSpec(wanted, recognised=True))


def _completed(
    package: ModelPackage, name: str, found: Sequence[Recognition | None]
) -> ModelPackage:
    """The package with what the processor `name` recognised in each of its artifacts."""
    seen = [each for each in found if each is not None]
    stated = package.processor
    labels = package.labels or _agreed(package, name, "labels", {each.labels for each in seen})
    task = package.task or _agreed(package, name, "task", {each.task for each in seen})
    for each in seen:
        if stated is None and each.task not in (task, catalog.WIDER_TASKS.get(task)):
            raise InvalidModel(
                f"{package.root} states the task {task}, and {name!r} recognises {each.task}; mend "
                "the manifest's task, or name its processor"
            )
    artifacts = package.artifacts
    if stated is None or not stated.settings:
        common = _common(each.settings for each in seen)
        artifacts = tuple(
            replace(artifact, settings=common if one is None else one.settings)
            for artifact, one in zip(artifacts, found, strict=True)
        )
    return replace(
        package,
        artifacts=artifacts,
        task=task,
        labels=labels,
        processor=stated or ProcessorSpec(name, recognised=True),
    )


def _common(settings: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What an artifact gets that says nothing of itself, such as an engine: what the others say, as far
    as none says otherwise."""
    common: dict[str, Any] = {}
    refuted = set()
    for each in settings:
        refuted |= {key for key, value in each.items() if common.setdefault(key, value) != value}
    return {key: value for key, value in common.items() if key not in refuted}


def _agreed(package: ModelPackage, name: str, what: str, values: set[Any]) -> Any:
    if len(values) == 1:
        return values.pop()
    raise InvalidModel(
        f"the artifacts of {package.root} differ in the {what} that {name!r} recognises in them; "
        f"write its {what} into its model.json"
    )


def _task_of(name: str, settings: Configuration) -> str | None:
    """The task of a processor that has just one; None also if it can't be used, which loading tells."""
    task = getattr(processor_class(name, settings), "TASK", None)
    return task if isinstance(task, str) else None


def _claims(
    artifact: Artifact, settings: Configuration, stated: ProcessorSpec | None
) -> dict[str, Recognition]:
    """What each installed processor recognises in an artifact; where one is stated, only that."""
    if len(artifact.parts) > 1:
        return {}
    claims: dict[str, Recognition] = {}
    only = None if stated is None else (stated.name,)
    for facts in artifact.facts.values():
        if "outputs" not in facts and not facts.get("metadata"):
            continue  # nothing in it that could be recognised
        for plugin in discovery.plugins("processors", settings, only):
            if plugin.failure:
                continue  # the reason appears in the resolution where the processor is needed
            try:
                recognition = discovery.asked(plugin, "recognise", facts, Recognition)
            except InvalidModel:
                if stated is None:
                    raise
                continue  # who states the processor, does it for metadata that aren't right
            if recognition is not None:
                claims[plugin.record.name] = recognition
    return claims


def processor_class(name: str, settings: Configuration) -> Any | Reason:
    """The class of an installed processor, or the reason why there is none, with its fix."""
    found = discovery.plugins("processors", settings, only=(name,))
    usable = [plugin for plugin in found if plugin.failure is None]
    if usable:
        return usable[0].value
    if found and found[0].failure:
        failure = found[0].failure
        return Reason(
            "processor", f"processor {name!r} can't be used: {failure.message}", failure.fix
        )
    distribution = catalog.PROCESSORS.get(name)
    if distribution:
        installed = {record.distribution for record in discovery.records()}
        state = "has none in this version" if distribution in installed else "isn't installed"
        return Reason(
            "processor",
            f"the model needs the processor {name!r}, and {distribution} {state}",
            install_command(distribution),
        )
    known = discovery.names("processors")
    hint = did_you_mean(name, known) or f"; installed: {', '.join(known) or 'none'}"
    return Reason("processor", f"no installed distribution brings the processor {name!r}{hint}")


def advice(package: ModelPackage, artifact: Artifact, graph: Graph) -> str:
    """What to write so that a plain graph takes pictures: by its shapes, where they are familiar."""
    hint: str | None = None
    if find_spec("inference_vision"):
        families = import_module("inference_vision.shape_families")
        hint = families.hint(package, artifact, graph)
    return (
        hint or "A model.json beside it can name the processor that would make arrays of pictures"
    )
