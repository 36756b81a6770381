"""Which processor a model needs, and the class that is it: installed processors are asked here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inference_core import catalog, discovery
from inference_core.arguments import did_you_mean
from inference_core.configuration import Configuration
from inference_core.errors import InvalidModel
from inference_core.install import install_command
from inference_core.package import ModelPackage, ProcessorSpec
from inference_core.processor import Recognition
from inference_core.verdict import Reason


def recognised(package: ModelPackage, settings: Configuration) -> ModelPackage:
    """The package with task, labels and processor, where a processor recognises its artifact.

    A package that states its processor, or whose task needs none, stays as it is.

    Raises:
        InvalidModel: two processors claim it (the message names the manifest line to write), or
            one sees that its metadata is damaged.
    """
    facts = [facts for artifact in package.artifacts for facts in artifact.facts.values()]
    graphs = [each for each in facts if "outputs" in each or each.get("metadata")]
    if package.processor is not None or package.task is not None or len(graphs) != 1:
        return package
    claims: dict[str, Recognition] = {}
    for plugin in discovery.plugins("processors", settings):
        if plugin.failure:
            continue  # the reason appears in the resolution where the processor is needed
        recognition = discovery.asked(plugin, "recognise", graphs[0], Recognition)
        if recognition is not None:
            claims[plugin.record.name] = recognition
    if len(claims) > 1:
        raise InvalidModel(
            f"{package.root} is recognised by the processors {' and '.join(sorted(claims))}; write "
            f'a model.json with the line "processor": {{"name": "{min(claims)}"}}'
        )
    for name, recognition in claims.items():
        return replace(
            package,
            task=recognition.task,
            labels=package.labels or recognition.labels,
            processor=ProcessorSpec(name, recognition.settings),
        )
    wanted = catalog.processor_wanted(package.artifacts[0])
    return replace(package, processor=ProcessorSpec(wanted)) if wanted else package


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
