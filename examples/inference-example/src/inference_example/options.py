"""What a caller may set when loading a model: core checks names and types by this class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Activation = Literal["relu", "tanh", "none"]
ACTIVATIONS: tuple[str, ...] = get_args(Activation)


@dataclass(frozen=True, slots=True)
class ExampleOptions:
    """Options of the example backend.

    Attributes:
        activation: what stands between the layers; None means what the file itself states.
    """

    activation: Activation | None = None
