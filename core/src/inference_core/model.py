"""A loaded model: what `AutoModel.from_pretrained` returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from inference_core import catalog
from inference_core.errors import (
    InferenceError,
    InvalidArgument,
    InvalidInput,
    InvalidModel,
)
from inference_core.loaded_part import LoadedPart
from inference_core.loaded_processor import LoadedProcessor
from inference_core.package import Artifact, ModelPackage
from inference_core.processor import MultiPartProcessor, Processor
from inference_core.recognition import advice
from inference_core.resolution import Resolution
from inference_core.session import TensorSpec
from inference_core.task_calls import TaskCalls

if TYPE_CHECKING:
    from inference_core.streaming import ResultStream

# Inputs per run of the graph for a list, where neither artifact nor caller says otherwise.
DEFAULT_BATCH = 8


class Model:
    """A model on one backend. Safe to use from several threads; a context manager.

    Attributes:
        package: name, task, labels and all artifacts.
        artifact: the artifact that was loaded.
        backend: name of the backend that runs it.
        device: where it runs, as the framework reports it.
        batch_size: how many inputs of a list go through the graph at once.
        stream_batch: how many of a stream may: `batch_size` if `from_pretrained` was given one, else as
            few as the graph takes, mostly 1.
        resolution: why this backend, and why not the others.
    """

    def __init__(
        self,
        resolution: Resolution,
        backend: str,
        artifact: Artifact,
        parts: Mapping[str, LoadedPart],
        processor: Processor | MultiPartProcessor | None,
        batch_size: int | None,
    ) -> None:
        self.resolution = resolution
        self.backend = backend
        self.artifact = artifact
        self.package: ModelPackage = resolution.package
        self._parts = parts
        self._processor: LoadedProcessor | None = None
        if processor is not None:
            assert self.package.processor is not None
            name = self.package.processor.name
            self._processor = LoadedProcessor(processor, name, self.package)
        if self._processor and not self._processor.multi_part and len(parts) > 1:
            raise InvalidModel(
                f"{self.package.name} has the parts {', '.join(parts)}, and its processor handles "
                "models with one part; name another processor in its model.json"
            )
        first = next(iter(parts.values()))
        self._single = first if len(parts) == 1 else None
        self._task: TaskCalls | None = None
        if processor is None and first.session.task is not None:
            self._task = TaskCalls(first, self.package)
        self.device: str = first.session.device
        self.batch_size = self._batch_limit(batch_size or DEFAULT_BATCH)
        # Without a processor they go through one by one anyway.
        self.stream_batch = 1 if processor is None else self._batch_limit(batch_size or 1)

    @property
    def task(self) -> str | None:
        """What the model does: what a task backend says it loaded, else what manifest or processor say;
        None for a plain graph, or where nobody says it."""
        return self._session_task() or self.package.task

    def _session_task(self) -> str | None:
        return next(iter(self._parts.values())).session.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by class id, as manifest or processor say them; () if neither does."""
        processor, task = self.package.processor, self._session_task()
        if task and processor and processor.recognised:
            wider = catalog.WIDER_TASKS.get(task)
            if self.package.task not in (task, wider):
                return ()  # they are of what the processor recognised, and this does something else
        return self.package.labels

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What `predict_tensors` takes (of a model with one part)."""
        return self._part(None).graph.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What `predict_tensors` returns (of a model with one part)."""
        return self._part(None).graph.outputs

    def __call__(self, inputs: Any, /, **options: Any) -> Any:
        """The same as `predict`."""
        return self.predict(inputs, **options)

    def predict(self, inputs: Any, /, **options: Any) -> Any:
        """Run the model.

        Args:
            inputs: one input, or a list of them; a list gives a list of results. For image tasks an
                input is a path, bytes, a PIL image or a numpy array (HWC uint8, BGR unless
                `color_format="rgb"`). For a plain graph it is a mapping of arrays by input name.
            options: per-call options of the model's task, such as `confidence=0.5`.

        Returns:
            A result per input (`Detections`, `Classification`, …); arrays by name for a plain graph.

        Raises:
            InvalidInput: an input can't be read, or doesn't fit the graph.
            InvalidArgument: an option that doesn't exist (with a suggestion), or a wrong value.
            ModelClosed: the model was closed.
            PluginError: the backend or the processor failed.
        """
        if self._processor is None:
            return self._without_processor(inputs, options)
        typed = self._processor.options.of(options)
        batch = inputs if isinstance(inputs, list) else [inputs]
        results: list[Any] = []
        for start in range(0, len(batch), self.batch_size):
            results.extend(self._results(batch[start : start + self.batch_size], typed))
        return results if isinstance(inputs, list) else results[0]

    def predict_tensors(
        self, feeds: Mapping[str, Any], part: str | None = None
    ) -> Mapping[str, Any]:
        """Run the graph itself: arrays by input name to arrays by output name.

        Args:
            feeds: one numpy array per entry of `inputs`, with its dtype and shape.
            part: which graph, of a model that has several.

        Raises:
            InvalidInput: a name, dtype or shape that the graph doesn't take.
            InvalidArgument: the model has no such part, or is no tensor model.
            ModelClosed: the model was closed.
            PluginError: the backend failed.
        """
        loaded = self._single if part is None else None
        if loaded is None:
            loaded = self._part(part)
        return loaded.run(feeds)

    def stream(
        self, inputs: Iterable[Any], /, *, live: bool = False, **options: Any
    ) -> ResultStream:
        """Run the model on inputs as they come; yields (input, result) in order.

        Reading the next inputs, preprocessing, running and postprocessing overlap. A few inputs are
        read ahead, never more. With `from_pretrained(batch_size=N)` up to N inputs that are already
        waiting go through the graph at once; without it each goes at once and alone, which gives
        the earliest result.

        Closing the stream stops all, and closes `inputs` if it is a generator. `with` does so, or
        `close`, from any thread; so does leaving the loop of a stream that has no name (`for … in
        model.stream(…)`), but one that has a name reads on. Where `inputs` wait for something then,
        as a queue or a camera does, that takes up to 5 seconds, after which they are closed when
        they wake.

        With `live=True` the inputs are never held up, as a camera's frames mustn't be. They go through
        the model one at a time and without a pause, the newest each time, and the loop gets the newest
        result: whatever input is newer than that of the result came while the model was at work on
        that or on the one after it, at most two runs ago. Inputs and results for which something newer
        came before their turn are dropped; `dropped` of the stream counts them. Inputs that never
        wait, as those of a file, would nearly all be dropped, and reading them slow the model: this is
        for cameras and the like.

        Raises:
            InvalidArgument: at once, for an option that doesn't exist or a wrong value.
            InferenceError: in the place of the input that it concerns, as `predict` raises it.
        """
        # A numpy or PIL picture is iterable, or claims an array interface, and is one input.
        single = isinstance(inputs, (str, bytes, bytearray, memoryview, os.PathLike, Mapping))
        if single or hasattr(inputs, "__array_interface__") or not isinstance(inputs, Iterable):
            raise InvalidArgument(
                f"stream takes several inputs, such as a list, not one {type(inputs).__name__}; for "
                "one input call the model itself"
            )
        if not isinstance(live, bool):
            raise InvalidArgument(f"live={live!r} must be True or False")
        from inference_core.live_pipeline import LivePipeline
        from inference_core.streaming import ResultStream, pipelined

        stages = self.stages(**options).values()
        if live:
            return ResultStream(LivePipeline(inputs, stages))
        return pipelined(inputs, stages, self.stream_batch)

    def stages(self, **options: Any) -> dict[str, Callable[[Any], Any]]:
        """The steps of `predict` by name and in order, to call (and time) one by one.

        Each takes what the one before it returned, the first a list of inputs; the last returns the
        list of their results. The list goes through the graph as one batch.

        Returns:
            "preprocess", "run" and "postprocess"; only "run" for models without a processor or with
            several parts.

        Raises:
            InvalidArgument: an option that doesn't exist, or a wrong value.
        """
        processor = self._processor
        if processor is None:
            if self._task is not None:
                self._task.options(options)  # for what is wrong with them
            return {"run": lambda batch: [self.predict(each, **options) for each in batch]}
        typed = processor.options.of(options)
        if processor.multi_part:
            return {"run": lambda batch: self._results(batch, typed)}
        part = self._part(None)
        return {
            "preprocess": lambda batch: (*processor.preprocess(batch, typed), len(batch)),
            "run": lambda ready: (part.run_batch(ready[0], ready[2]), ready[1], ready[2]),
            "postprocess": lambda ran: processor.postprocess(ran[0], ran[1], typed, ran[2]),
        }

    def encode(self, value: Any, /, **options: Any) -> Any:
        """The reusable part of the work on one input (an image's embedding), as a handle that
        `predict` takes in the input's place.

        Raises:
            InvalidArgument: this model has no such part.
            InvalidInput: the input can't be read.
            ModelClosed: the model was closed.
            PluginError: the backend or the processor failed.
        """
        if self._processor is None or not self._processor.encodes:
            raise InvalidArgument(f"{self.package.name} has no reusable encoding")
        return self._processor.encode(value, self._processor.options.of(options), self._runs())

    def close(self) -> None:
        """Wait for calls in flight and free everything. Calling it again does nothing."""
        errors = []
        for part in self._parts.values():
            try:
                part.close()
            except InferenceError as error:
                errors.append(error)
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"and: {other}")
            raise errors[0]

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        task = self.task or ("plain graph" if self._processor is None else "no task stated")
        return f"<Model {self.package.name}: {task}, {self.artifact} on {self.backend} ({self.device})>"

    def _results(self, batch: list[Any], typed: Any) -> Any:
        processor = self._processor
        assert processor is not None
        if processor.multi_part:
            return processor.run(batch, typed, self._runs())
        feeds, context = processor.preprocess(batch, typed)
        outputs = self._part(None).run_batch(feeds, len(batch))
        return processor.postprocess(outputs, context, typed, len(batch))

    def _without_processor(self, inputs: Any, options: Mapping[str, Any]) -> Any:
        if self._task is not None:
            return self._task.predict(inputs, options)
        part = self._part(None)
        if options:
            raise InvalidArgument(
                f"{self.package.name} is a plain graph without options, so {next(iter(options))!r} "
                "means nothing to it"
            )
        if isinstance(inputs, list):
            return [self.predict(each) for each in inputs]
        if not isinstance(inputs, Mapping):
            raise InvalidInput(
                f"{self.package.name} is a plain graph: it takes arrays by input name "
                f"({'; '.join(map(str, part.graph.inputs))}), not {type(inputs).__name__}. "
                f"{advice(self.package, self.artifact, part.graph)}"
            )
        return part.run(inputs)

    def _runs(self) -> dict[str, Any]:
        """What runs each part, for a processor of several: it may have kept what it needs of a part,
        and would answer for a closed model without asking one."""
        for part in self._parts.values():
            part.check_open()
        return {role: part.run for role, part in self._parts.items()}

    def _part(self, role: str | None) -> LoadedPart:
        if role is None and self._single is not None:
            return self._single
        if role is not None and role in self._parts:
            return self._parts[role]
        roles = " or ".join(f"part={name!r}" for name in self._parts)
        which = "say which one" if role is None else f"part={role!r} is none of them"
        raise InvalidArgument(f"{self.package.name} has {len(self._parts)} parts: {which}, {roles}")

    def _batch_limit(self, wanted: int) -> int:
        """How many inputs go through the graph at once, which may fix that or bound it."""
        smallest = [part.batch[0] for part in self._parts.values()]
        largest = [part.batch[1] for part in self._parts.values() if part.batch[1]]
        return min([max([wanted, *smallest]), *largest])
