"""Which processor a model needs, and the class that is it: installed processors are asked here."""

from __future__ import annotations

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
    """The package with task, labels and processor, where a processor recognises its artifact.

    A package that states its processor gets its task from that, unless it states one; else it stays
    as it is.

    Raises:
        InvalidModel: two processors claim it (the message names the manifest line to write), or
            one sees that its metadata is damaged.
    """
    if package.processor is not None:
        if package.task is None:
            return replace(package, task=_task_of(package.processor.name, settings))
        return package
    if any(len(each.parts) > 1 for each in package.artifacts):
        return package
    claims: dict[str, Recognition] = {}
    for artifact in package.artifacts:
        for name, recognition in _claims(artifact, settings).items():
            if claims.setdefault(name, recognition) != recognition:
                raise InvalidModel(
                    f"the artifacts of {package.root} differ in what {name!r} recognises in them "
                    f"({claims[name].task}, {recognition.task}); write the line "
                    f'"processor": {{"name": "{name}"}} into its model.json, with the labels'
                )
    if len(claims) > 1:
        raise InvalidModel(
            f"{package.root} is recognised by the processors {' and '.join(sorted(claims))}; write "
            f'a model.json with the line "processor": {{"name": "{min(claims)}"}}'
        )
    for name, recognition in claims.items():
        wider = catalog.WIDER_TASKS.get(package.task or "")
        if package.task is not None and recognition.task not in (package.task, wider):
            raise InvalidModel(
                f"{package.root} states the task {package.task}, and {name!r} recognises "
                f"{recognition.task}; mend the manifest's task, or name its processor"
            )
        return replace(
            package,
            task=package.task or recognition.task,
            labels=package.labels or recognition.labels,
            processor=ProcessorSpec(name, recognition.settings, recognised=True),
        )
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


def _task_of(name: str, settings: Configuration) -> str | None:
    """The task of a processor that has just one; None also if it can't be used, which loading tells."""
    task = getattr(processor_class(name, settings), "TASK", None)
    return task if isinstance(task, str) else None


def _claims(artifact: Artifact, settings: Configuration) -> dict[str, Recognition]:
    """What each installed processor recognises in an artifact."""
    claims: dict[str, Recognition] = {}
    for facts in artifact.facts.values():
        if "outputs" not in facts and not facts.get("metadata"):
            continue  # nothing in it that could be recognised
        for plugin in discovery.plugins("processors", settings):
            if plugin.failure:
                continue  # the reason appears in the resolution where the processor is needed
            recognition = discovery.asked(plugin, "recognise", facts, Recognition)
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
