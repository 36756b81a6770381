"""Pictures are written whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from inference_core.errors import InvalidInput
from inference_vision.image import read_image
from inference_vision.writing import write_image

PIXELS = np.full((6, 8, 3), (10, 20, 30), np.uint8)


def test_a_picture_replaces_the_one_before(tmp_path):
    path = tmp_path / "drawn.png"
    path.write_text("before")
    write_image(path, PIXELS)
    image = read_image(path)
    blue_first = image.pixels if image.color_format == "bgr" else image.pixels[..., ::-1]
    np.testing.assert_array_equal(blue_first, PIXELS)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["drawn.xyz", "drawn"])
def test_what_is_no_format_of_pictures_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match=f"{name} can't be written as"):
        write_image(tmp_path / name, PIXELS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, OSError])
def test_what_ends_too_early_leaves_what_was_there(tmp_path, monkeypatch, end):
    path = tmp_path / "drawn.png"
    path.write_text("before")

    def ended(*_):
        raise end

    monkeypatch.setattr(type(path), "replace", ended)
    with pytest.raises(end):
        write_image(path, PIXELS)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
