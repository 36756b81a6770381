"""What a processor is: the code between what the user gives and what a graph takes and returns.

Processors are found through the entry-point group `inference_core.processors`; the entry point gives
a class. They never know which backend runs the graph, backends never know the model family. The
module an entry point names must stay light (import numpy and OpenCV in `__init__` or later):
`recognise` is asked while a model is resolved, which must work without any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np

    from inference_core.package import Facts, ModelPackage
    from inference_core.session import TensorSpec

    Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a processor recognised in an artifact that came without a manifest."""

    task: str
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or not isinstance(self.labels, tuple):
            raise TypeError("a Recognition has a str as its task, and a tuple of str as its labels")


@dataclass(frozen=True, eq=False)
class Graph:
    """The inputs and outputs of one loaded part, as its session reports them."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Processor(Protocol):
    """Turns a batch of inputs into tensors and the tensors that come back into results.

    Class attributes:
        OPTIONS: a dataclass of the per-call options (`confidence`, `iou`, …) with their defaults.
            Core builds it from the package's parameters and the call's keywords; an unknown
            keyword is an error with a suggestion.
        TASK: its task, if it has just one; optional. A manifest that names the processor needn't
            state the task then.

    One instance belongs to one loaded model and is used by several threads at once.
    """

    OPTIONS: ClassVar[type]

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        """Check that the graph is one this processor understands.

        Args:
            package: task, labels and `package.processor.settings`.
            parts: the loaded graphs by role; {"model": Graph} for nearly all.

        Raises:
            InvalidModel: the tensors or settings aren't what this processor can handle.
        """

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Whether the artifact with these facts is of this family; None if not, or not surely."""

    def preprocess(self, inputs: Sequence[Any], options: Any) -> tuple[Tensors, Any]:
        """A batch of inputs as tensors by name, and a context for `postprocess`.

        Raises:
            InvalidInput: an input can't be read.
        """

    def postprocess(self, outputs: Tensors, context: Any, options: Any) -> Sequence[Any]:
        """One result per input of the batch, in order.

        Args:
            outputs: by name. Where the batch was filled up to the size that the graph fixes, those
                declared with that size as first axis are trimmed again, and others are whole.
            context: what `preprocess` gave.
            options: of the call.
        """


class MultiPartProcessor(Protocol):
    """A processor of a model with several graphs (encoder and decoder, image and text).

    It implements `run` instead of `preprocess` and `postprocess`. One that also has
    `encode(input, options, parts)` offers `model.encode(input)`: a handle which `run` then accepts
    in place of the input.
    """

    OPTIONS: ClassVar[type]

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None: ...

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None: ...

    def run(
        self,
        inputs: Sequence[Any],
        options: Any,
        parts: Mapping[str, Callable[[Tensors], Tensors]],
    ) -> Sequence[Any]:
        """One result per input; `parts[role](feeds)` runs that part's graph."""
