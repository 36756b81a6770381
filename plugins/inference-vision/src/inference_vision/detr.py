"""The `detr` processor: detection transformers (RT-DETR, RF-DETR, DETR and their exports).

They give one box per query and need no suppression of overlaps; RF-DETR's segmentation models give a
mask per query as well. Its module is light, because `recognise` is asked while a model is resolved:
numpy and OpenCV come in with the first instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from inference_core.errors import InvalidModel
from inference_core.package import Facts, ModelPackage
from inference_core.processor import Graph, Recognition

from inference_vision import ultralytics
from inference_vision.coco_names import COCO_NAMES
from inference_vision.detr_forms import (
    ACTIVATIONS,
    BACKGROUNDS,
    COCO_COLUMNS,
    Form,
    chosen_form,
    default_activation,
    form_of,
    label_columns,
)
from inference_vision.normalisation import IMAGENET_MEAN, IMAGENET_STD
from inference_vision.option_ranges import check_confidence, check_max_detections
from inference_vision.settings import PICTURE_SETTINGS, Settings

if TYPE_CHECKING:
    import numpy as np
    from inference_core.processor import Tensors
    from inference_core.results import Detections
    from inference_core.session import TensorSpec
    from numpy.typing import NDArray

    from inference_vision.letterbox import Placement

DETECTION, SEGMENTATION = "object-detection", "instance-segmentation"

CONFIDENCE = 0.25


@dataclass(frozen=True, slots=True)
class DetrOptions:
    """Per-call options of detection transformers.

    Attributes:
        confidence: least score of a detection, 0 to 1; or one by label or class id, 0.25 for
            the others.
        max_detections: at most so many per picture, the most confident.
        classes: only these, by label (all classes of that name) or class id; None for all.
        mask_format: of models that segment: "bitmap", "rle" or "polygons".
        color_format: channel order of images given as arrays.

    Raises:
        InvalidArgument: a value out of range.
    """

    confidence: float | dict[int | str, float] = CONFIDENCE
    max_detections: int = 300
    classes: tuple[int | str, ...] | int | str | None = None
    mask_format: Literal["bitmap", "rle", "polygons"] = "bitmap"
    color_format: Literal["bgr", "rgb"] = "bgr"

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        check_max_detections(self.max_detections)


class DetrProcessor:
    """Detection, and masks where the graph gives them; see `inference_vision.detr_forms`.

    Settings (all optional, in the manifest under "processor"), besides those of
    `picture_input.PictureInput`:
        activation: "sigmoid", "softmax" or "none", of class scores, where the outputs don't tell.
        background: "first", "last" or "none": the column of class scores that is no label's.
        columns: the column of each label, by class id, where that doesn't say it.
        boxes: which output holds the boxes, its name or its position from 0; needed where three
            classes and "no object" make the scores look like boxes, and names don't tell.

    The size is 640 (800 under a softmax, as DETR was trained) and pictures are stretched, as these
    families are exported. RF-DETR and DETR take pixels with ImageNet's mean and deviation, the
    others from 0 to 1.
    """

    OPTIONS: ClassVar[type] = DetrOptions

    def __init__(self, package: ModelPackage, parts: Mapping[str, Graph]) -> None:
        settings = Settings(
            package, ("activation", "background", "boxes", "columns", *PICTURE_SETTINGS)
        )
        graph = parts["model"]
        self._form = form = chosen_form(package, graph.outputs)
        self._labels = package.labels
        self._activation = _activation(package, settings, form)
        self._background = settings.choice("background", BACKGROUNDS)
        self._stated_columns = settings.indices("columns")
        if form.kind != "postprocessed" and form.columns is not None:
            self._columns(form.columns)
        picture, self._extra = _inputs(package, graph.inputs)

        from inference_vision.class_selection import check_parameters
        from inference_vision.picture_input import PictureInput

        check_parameters(package)
        of_imagenet = self._activation == "softmax" or form.boxes == "dets"
        self._picture_input = PictureInput(
            package,
            settings,
            [picture],
            size=(800, 800) if self._activation == "softmax" else (640, 640),
            resize="stretch",
            # Those of Ultralytics were trained with plain bilinear pictures, all others with
            # antialiased ones (PIL's and torchvision's).
            interpolation="linear" if form.kind == "joint" else "auto",
            mean=IMAGENET_MEAN if of_imagenet else (0.0, 0.0, 0.0),
            std=IMAGENET_STD if of_imagenet else (1.0, 1.0, 1.0),
        )

    @classmethod
    def recognise(cls, facts: Facts) -> Recognition | None:
        """RF-DETR by the names of its outputs, RT-DETR's deployment by its inputs and outputs, and
        Ultralytics' RT-DETR by metadata and shape.

        Raises:
            InvalidModel: the metadata is Ultralytics', but damaged.
        """
        metadata: Mapping[str, str] = facts.get("metadata") or {}
        outputs: Sequence[TensorSpec] = facts.get("outputs", ())
        names = {spec.name for spec in outputs}
        form = form_of(outputs)
        if form is None:
            return None
        if {"task", "names"} <= set(metadata):
            return _of_ultralytics(facts, metadata, form)
        if form.kind == "pair" and {"dets", "labels"} <= names:
            # As many columns as COCO has ids is what RF-DETR's own weights have; see `label_columns`.
            labels = COCO_NAMES if form.columns == COCO_COLUMNS else ()
            return Recognition(SEGMENTATION if form.masks else DETECTION, labels)
        inputs = {spec.name for spec in facts.get("inputs", ())}
        if form.kind == "postprocessed" and "orig_target_sizes" in inputs:
            return Recognition(DETECTION)
        return None

    def preprocess(
        self, inputs: Sequence[Any], options: DetrOptions
    ) -> tuple[Tensors, tuple[Placement, ...]]:
        """The pictures as one tensor, and where each lies in its part of it."""
        import numpy as np

        feeds, placements = self._picture_input.feeds(inputs, options.color_format)
        height, width = self._picture_input.size
        for spec in self._extra:
            dtype = "int64" if spec.dtype == "any" else spec.dtype
            if spec.name == "orig_target_sizes":
                # The size of the input itself: boxes then come in its pixels, like all others.
                sizes = np.array([[width, height]] * len(placements))
                feeds[spec.name] = sizes.astype(dtype)
            else:
                axes = spec.shape or (None, height, width)
                shape = (len(placements), axes[1] or height, axes[2] or width)
                feeds[spec.name] = np.ones(shape, dtype)
        return feeds, placements

    def postprocess(
        self, outputs: Tensors, context: tuple[Placement, ...], options: DetrOptions
    ) -> list[Detections]:
        """The detections of each picture, in source pixels, most confident first.

        Raises:
            InvalidModel: an output hasn't the shape it was declared with, or holds NaN, or a class
                id without a label.
            InvalidArgument: an option names a class that the model doesn't have.
        """
        # A graph may give more, even numbers without a batch axis.
        used = {name: outputs[name] for name in self._form.ranks()}
        self._form.check({name: array.shape for name, array in used.items()}, len(context))
        return [
            self._detections({name: array[i] for name, array in used.items()}, placement, options)
            for i, placement in enumerate(context)
        ]

    def _detections(
        self, raw: Mapping[str, NDArray[Any]], placement: Placement, options: DetrOptions
    ) -> Detections:
        import numpy as np
        from inference_core.results import Detections

        from inference_vision.detr_decode import boxes_in_pixels
        from inference_vision.finite import check_finite

        queries, scores, class_ids = self._candidates(raw, options)
        order = np.argsort(-scores, kind="stable")[: options.max_detections]
        height, width = self._picture_input.size
        boxes = raw[self._form.boxes][queries[order], :4]
        if self._form.kind == "postprocessed":
            check_finite(boxes, self._form.boxes, "boxes")
        else:
            boxes = boxes_in_pixels(boxes, width, height, self._form.boxes)
        xyxy = placement.to_source(boxes)
        inside = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)  # the rest is empty, or lies in padding
        order, xyxy = order[inside], xyxy[inside]
        masks = None
        if self._form.masks is not None:
            from inference_vision.upsampling import masks_to_source

            logits = raw[self._form.masks][queries[order]]
            check_finite(logits, self._form.masks, "masks")
            masks = masks_to_source(logits, placement, (width, height), options.mask_format)
        ids = class_ids[order]
        labels = tuple(self._labels[i] if self._labels else str(i) for i in ids.tolist())
        return Detections(xyxy, scores[order], ids, labels, placement.source, masks)

    def _candidates(self, raw: Mapping[str, NDArray[Any]], options: DetrOptions) -> Any:
        import numpy as np

        from inference_vision.class_selection import UNLABELLED, thresholds
        from inference_vision.detr_decode import postprocessed, scored

        def least(count: int) -> NDArray[np.float32]:
            return thresholds(self._labels, count, options.confidence, CONFIDENCE, options.classes)

        values = raw[self._form.scores]
        if self._form.classes is not None:
            ids = raw[self._form.classes]
            count = len(self._labels) or UNLABELLED
            return postprocessed(values, ids, least(count), self._form.scores)
        if self._form.kind == "joint":
            values = values[:, 4:]
        columns = np.array(self._columns(values.shape[1]), np.int64)
        return scored(values, columns, self._activation, least(len(columns)), self._form.scores)

    def _columns(self, count: int) -> tuple[int, ...]:
        if (stated := self._stated_columns) is not None:
            if len(stated) != len(self._labels) or max(stated, default=0) >= count:
                raise InvalidModel(
                    f"the graph scores {count} classes, which doesn't fit the {len(self._labels)} "
                    f"labels with the setting 'columns', {list(stated)}"
                )
            return stated
        return label_columns(count, len(self._labels), self._activation, self._background)


def _activation(package: ModelPackage, settings: Settings, form: Form) -> str:
    chosen = settings.choice("activation", ACTIVATIONS)
    activation = chosen or default_activation(form, len(package.labels))
    if activation is None:
        raise InvalidModel(
            f"{package.name}: {form.columns or 'an unknown number of'} class scores and "
            f"{len(package.labels)} labels leave open how the scores are meant; write into the "
            'processor\'s settings in model.json: "activation": "softmax" (DETR, its last class is '
            'no object) or "activation": "sigmoid" (RT-DETR, RF-DETR, Deformable DETR)'
        )
    return activation


def _inputs(
    package: ModelPackage, inputs: Sequence[TensorSpec]
) -> tuple[TensorSpec, list[TensorSpec]]:
    """The input for pictures, and those of the others that we know how to fill."""
    known = ("orig_target_sizes", "pixel_mask")
    extra = [spec for spec in inputs if spec.name in known]
    pictures = [spec for spec in inputs if spec.name not in known]
    if len(pictures) != 1:
        names = ", ".join(map(str, inputs)) or "none"
        raise InvalidModel(
            f"{package.name}: expected one image input, besides {' and '.join(known)}; the graph "
            f"has {names}"
        )
    return pictures[0], extra


def _of_ultralytics(facts: Facts, metadata: Mapping[str, str], form: Form) -> Recognition | None:
    if metadata["task"] != "detect" or form.kind != "joint":
        return None
    labels = ultralytics.labels_of(metadata)
    if form.columns != len(labels) or ultralytics.is_end_to_end(metadata):
        return None
    # Two classes make six columns, which is what YOLO's end-to-end exports have.
    described = metadata.get("description", "").lower().replace("-", "")
    if form.columns == 2 and "rtdetr" not in described:
        return None
    imgsz = ultralytics.open_image_size(facts)
    return Recognition(DETECTION, labels, {"imgsz": imgsz} if imgsz else {})
