"""The `sam` processor: segmentation of what points or a box show, by an encoder and a decoder.

The encoder is slow and looks at the picture once; the decoder is fast and answers one prompt. So
`model.encode(picture)` gives a handle with which prompt after prompt is answered at once. Its module
is light: numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidArgument, InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision.normalisation import IMAGENET_MEAN, IMAGENET_STD
from inference_vision.settings import PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement

    Parts = Mapping[str, Callable[[Tensors], Tensors]]

LABEL = "object"
"""What a mask shows, for a model without labels: it wasn't asked what."""

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class SamOptions:
    """Per-call options of SAM: the prompts, in pixels of the source picture.

    Attributes:
        points: x and y of points, all of one object.
        point_labels: for each point, 1 if it is on the object, 0 if beside it; None for all 1.
        boxes: x1, y1, x2, y2 around an object each. One box may be refined by points.
        multimask: whether to give every mask that the decoder offers for a prompt (a part, the whole,
            …) instead of the one it expects to be best.
        mask_format: "bitmap", "rle" or "polygons".
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: prompts that don't fit together.
    """

    points: tuple[Point, ...] = ()
    point_labels: tuple[int, ...] | None = None
    boxes: tuple[Box, ...] = ()
    multimask: bool = False
    mask_format: Literal["bitmap", "rle", "polygons"] = "bitmap"
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        labels = self.point_labels
        if labels is not None and (len(labels) != len(self.points) or set(labels) - {0, 1}):
            raise InvalidArgument(
                f"point_labels must be one 0 or 1 for each of {len(self.points)} points, not {labels}"
            )
        if self.points and len(self.boxes) > 1:
            raise InvalidArgument("points refine one box; for several boxes leave them out")
        if any(not (x1 < x2 and y1 < y2) for x1, y1, x2, y2 in self.boxes):
            raise InvalidArgument("boxes are x1, y1, x2, y2 with x1 < x2 and y1 < y2")


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPicture:
    """What the encoder saw in a picture, as `model.encode` gives it.

    Attributes:
        tensors: the encoder's outputs, by the names that the decoder has for them.
        placement: of the picture in the encoder's input.
    """

    tensors: Mapping[str, NDArray[Any]]
    placement: Placement


class SamProcessor:
    """Segment Anything and its like, in two parts: "encoder" and "decoder".

    Results are `Detections`: for each mask its box, as confidence the overlap with the truth that
    the model expects, as class_id the position of the box that prompted it (0 for points), and as
    label the model's first one, or "object".

    Settings (all optional, in the manifest under "processor"): those of `picture_input.PictureInput`.
    The size is 1024 where the graph leaves it open; pictures lie in the top left corner ("fit"), on
    padding that is 0 after normalisation with ImageNet's mean and deviation. SAM 2 wants
    "resize": "stretch".
    """

    OPTIONS: ClassVar[type] = SamOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        if set(parts) != {"encoder", "decoder"}:
            raise InvalidModel(
                f'{package.name}: the processor sam takes the parts "encoder" and "decoder"; the '
                f"artifact has {', '.join(parts)}"
            )
        known = [each for each in PICTURE_SETTINGS if each != "region"]
        settings = Settings(package, known)
        settings.choice("resize", ("fit", "stretch", "letterbox"))

        from inference_vision.picture_input import PictureInput
        from inference_vision.sam_decoder import SamDecoder

        self._input = PictureInput(
            package,
            settings,
            parts["encoder"].inputs,
            size=(1024, 1024),
            resize="fit",
            padding=(124, 116, 104),  # the mean: 0 once normalised
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
        )
        height, width = self._input.size
        self._canvas = (width, height)
        self._decoder = SamDecoder(package, parts["encoder"], parts["decoder"], self._canvas)
        self._label = package.labels[0] if package.labels else LABEL

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """Never: a model of several parts states its processor in its manifest."""
        return None

    def encode(self, value: Any, options: SamOptions, parts: Parts) -> EncodedPicture:
        """What the encoder sees in a picture, for `run` to take in its place."""
        feeds, (placement,) = self._input.feeds([value], options.color_format)
        outputs = parts["encoder"](feeds)
        return EncodedPicture(
            {to: outputs[name] for to, name in self._decoder.from_encoder.items()}, placement
        )

    def run(self, inputs: Sequence[Any], options: SamOptions, parts: Parts) -> list[Detections]:
        """The masks that the prompts show in each picture, the best first.

        Raises:
            InvalidArgument: there is no prompt, or it lies outside of a picture.
            InvalidModel: a part gives something else than was declared, or NaN.
        """
        if not options.points and not options.boxes:
            raise InvalidArgument(
                "what is to be segmented? Give points=[(x, y)] or boxes=[(x1, y1, x2, y2)], in pixels "
                "of the picture"
            )
        return [self._segmented(value, options, parts) for value in inputs]

    def _segmented(self, value: Any, options: SamOptions, parts: Parts) -> Detections:
        import numpy as np
        from inference_core.results import Detections

        from inference_vision.upsampling import to_source

        encoded = value if isinstance(value, EncodedPicture) else self.encode(value, options, parts)
        placement = encoded.placement
        bitmaps, boxes, quality, prompts = [], [], [], []
        for index, feeds in enumerate(self._prompts(placement, options)):
            outputs = parts["decoder"]({**encoded.tensors, **feeds})
            found = self._decoder.masks(outputs)
            for logits, sure in zip(found.logits, found.quality, strict=True):
                bitmap = to_source(logits, placement, self._canvas) > 0
                if bitmap.any():
                    bitmaps.append(bitmap)
                    boxes.append(_box(bitmap))
                    quality.append(sure)
                    prompts.append(index)
                if not options.multimask:
                    break
        width, height = placement.source
        order = np.argsort(-np.array(quality, np.float32), kind="stable")
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4)[order],
            np.array(quality, np.float32)[order],
            np.array(prompts, np.int64)[order],
            (self._label,) * len(boxes),
            placement.source,
            np.array(bitmaps, bool).reshape(-1, height, width)[order],
        ).with_masks(options.mask_format)

    def _prompts(self, placement: Placement, options: SamOptions) -> list[dict[str, NDArray[Any]]]:
        """What the decoder is asked: once for each box, or once for the points."""
        import numpy as np

        points = _placed(np.reshape(np.array(options.points, float), (-1, 2)), placement)
        labels = options.point_labels or (1,) * len(points)
        if not options.boxes:
            return [self._decoder.feeds(points, labels, None)]
        corners = _placed(np.array(options.boxes, float).reshape(-1, 2), placement)
        return [self._decoder.feeds(points, labels, box) for box in corners.reshape(-1, 2, 2)]


def _placed(points: NDArray[np.float64], placement: Placement) -> NDArray[np.float64]:
    """Points (N, 2) of the picture as points of the input.

    Raises:
        InvalidArgument: one lies outside of the picture.
    """
    import numpy as np

    width, height = placement.source
    outside = ~((points >= 0) & (points <= (width, height))).all(axis=1)
    if outside.any():
        x, y = points[outside][0]
        raise InvalidArgument(
            f"({x:g}, {y:g}) lies outside of the picture of {width} x {height} pixels"
        )
    scale = np.divide(placement.inner, placement.source)
    return np.asarray(points * scale + placement.offset, np.float64)


def _box(bitmap: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Edges of the pixels of a mask that has some."""
    import numpy as np

    columns, rows = np.flatnonzero(bitmap.any(axis=0)), np.flatnonzero(bitmap.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
