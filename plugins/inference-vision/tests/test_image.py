"""Reading images: every odd kind that users have, and a clear refusal for what can't be read."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference_core.errors import InvalidArgument, InvalidInput
from inference_vision import image as image_module
from inference_vision.image import Image, read_image
from PIL import Image as Pillow


def rgb(image: Image) -> np.ndarray:
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    return image.pixels if image.color_format == "rgb" else image.pixels[..., ::-1]


def png_header(width: int, height: int) -> bytes:
    content = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + content
        + struct.pack(">I", zlib.crc32(content))
    )


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_a_lossless_file_gives_its_pixels(picture, encode, tmp_path, kind):
    path = tmp_path / f"picture.{kind.lower()}"
    path.write_bytes(encode(picture, kind))
    for value in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
        np.testing.assert_array_equal(rgb(read_image(value)), picture)
    assert read_image(path).source == str(path)


@pytest.mark.parametrize(("kind", "tolerance"), [("JPEG", 8), ("WEBP", 16), ("GIF", 40)])
def test_a_lossy_file_gives_about_its_pixels(picture, encode, kind, tolerance):
    found = rgb(read_image(encode(picture, kind))).astype(int)
    assert np.abs(found - picture).mean() < tolerance / 2


def test_jpeg_and_png_give_what_pillow_gives(picture, encode):
    for data in (encode(picture, "JPEG", quality=95), encode(picture, "PNG")):
        expected = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
        assert np.abs(rgb(read_image(data)).astype(int) - expected).max() <= 1


MODES = {"PNG": "L LA RGBA P 1", "JPEG": "L CMYK YCbCr", "TIFF": "L LA RGBA P 1 CMYK YCbCr"}


@pytest.mark.parametrize(
    ("kind", "mode"), [(kind, mode) for kind, modes in MODES.items() for mode in modes.split()]
)
def test_every_mode_of_a_file_becomes_three_channels(picture, encode, kind, mode):
    image = Pillow.fromarray(picture).convert(mode)
    expected = np.asarray(image.convert("RGB")).astype(int)
    found = rgb(read_image(encode(image, kind))).astype(int)
    assert np.abs(found - expected).mean() < (5 if kind == "JPEG" else 1)


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_pil_images_with_premultiplied_alpha_are_read(picture, mode):
    image = Pillow.fromarray(picture).convert("LA" if mode == "La" else "RGBA")
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(rgb(read_image(image.convert(mode))), expected)


@pytest.mark.parametrize(
    ("brand", "video"), [(b"isom", True), (b"qt  ", True), (b"3gp4", True), (b"heic", False)]
)
def test_a_video_without_a_suffix_is_told_to_need_one(brand, video):
    with pytest.raises(InvalidInput, match="not an image") as caught:
        read_image(b"\0\0\0\x18ftyp" + brand + bytes(12))
    assert ("needs its suffix, such as .mp4" in str(caught.value)) == video


def test_alpha_is_dropped_and_not_blended(picture, encode):
    image = Pillow.fromarray(picture)
    image.putalpha(7)
    for value in (encode(image, "PNG"), encode(image, "TIFF"), image, np.asarray(image)):
        found = read_image(value, "rgb")
        np.testing.assert_array_equal(rgb(found), picture)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(encode, kind):
    deep = np.array([[0, 0x8040, 0xFFFF]], np.uint16)
    for value in (encode(deep, kind), Pillow.fromarray(deep), deep, deep.astype(">u2")):
        assert rgb(read_image(value))[0, :, 0].tolist() == [0, 128, 255]


def test_a_sixteen_bit_colour_png_becomes_eight_bits(picture):
    ok, data = cv2.imencode(".png", picture[..., ::-1].astype(np.uint16) * 257)
    assert ok
    np.testing.assert_array_equal(rgb(read_image(data.tobytes())), picture)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_one_pixel_is_an_image(encode, kind):
    assert read_image(encode(np.full((1, 1, 3), 200, np.uint8), kind)).size == (1, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_honoured(picture, encode, kind, orientation):
    exif = Pillow.Exif()
    exif[0x112] = orientation
    # The transposition that a viewer applies, by its name in Pillow.
    names = [
        None, None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270",
        "TRANSVERSE", "ROTATE_90",
    ]  # fmt: skip
    image = Pillow.fromarray(picture)
    name = names[orientation]
    expected = np.asarray(image.transpose(Pillow.Transpose[name]) if name else image).astype(int)
    options = {"lossless": True} if kind == "WEBP" else {}
    found = rgb(read_image(encode(image, kind, exif=exif, **options))).astype(int)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4


def test_exif_orientation_of_a_pil_image_is_honoured(picture, encode, tmp_path):
    exif = Pillow.Exif()
    exif[0x112] = 6
    path = tmp_path / "turned.jpg"
    path.write_bytes(encode(picture, "JPEG", exif=exif))
    with Pillow.open(path) as image:
        found = read_image(image)
    assert found.size == (60, 90)
    assert found.source == str(path)


def test_arrays_are_bgr_unless_said_otherwise(picture):
    assert read_image(picture).color_format == "bgr"
    assert read_image(picture, "rgb").color_format == "rgb"
    assert read_image(picture).pixels is picture  # no copy
    with pytest.raises(InvalidArgument, match="color_format"):
        read_image(picture, "gbr")


def test_views_and_grey_arrays_are_read_right(picture):
    np.testing.assert_array_equal(rgb(read_image(picture[..., ::-1])), picture)
    np.testing.assert_array_equal(read_image(picture[5:20, 7:30]).pixels, picture[5:20, 7:30])
    for grey in (picture[..., 0], picture[..., :1]):
        expected = np.repeat(picture[..., :1], 3, axis=2)
        np.testing.assert_array_equal(read_image(grey).pixels, expected)


def test_an_image_passes_through(picture):
    image = Image(picture, "rgb", "somewhere")
    assert read_image(image) is image


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3), np.float32), "astype"),
        (np.zeros((4, 4), bool), "255"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.zeros((3, 40, 50), np.uint8), "transpose"),
        (np.zeros((2, 4, 4, 3), np.uint8), "batch"),
        (np.zeros((4, 4, 5), np.uint8), "shape"),
        (np.zeros(7, np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "no content"),
        (np.zeros((4, 0, 3), np.uint8), "no content"),
        (np.array(["a"]), "uint8"),
    ],
)
def test_an_array_that_is_no_image_is_refused_with_what_to_pass(array, words):
    with pytest.raises(InvalidInput, match=words):
        read_image(array)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_pil_image_of_unknown_range_is_refused(picture, mode):
    with pytest.raises(InvalidInput, match="32-bit"):
        read_image(Pillow.fromarray(picture).convert(mode))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused_with_its_path(picture, encode, tmp_path, kind, part, capfd):
    data = encode(picture, kind)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: min(int(len(data) * part), len(data) - 3)])
    with pytest.raises(InvalidInput, match=r"cut\.jpg"):
        read_image(path)
    assert capfd.readouterr().err == ""


def test_a_jpeg_with_a_thumbnail_is_still_seen_as_truncated(picture, encode):
    exif = Pillow.Exif()
    exif[0x927C] = encode(picture, "JPEG")  # an end marker inside EXIF
    data = encode(picture, "JPEG", exif=exif)
    assert data.count(b"\xff\xd9") == 2
    assert read_image(data).size == (90, 60)
    with pytest.raises(InvalidInput, match="truncated"):
        read_image(data[:-2])


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(picture, encode):
    assert read_image(encode(picture, "JPEG") + b"trailer" * 100).size == (90, 60)


def test_a_png_with_a_flipped_bit_is_refused_and_nothing_is_printed(picture, encode, capfd):
    data = bytearray(encode(picture, "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(InvalidInput, match="checksum"):
        read_image(bytes(data))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (2**31 - 1, 1), (1, 2_000_000)])
def test_an_absurdly_large_image_is_refused_from_its_header(width, height, capfd, monkeypatch):
    def decode(*_):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(image_module.cv2, "imdecode", decode)
    with pytest.raises(InvalidInput, match="too large"):
        read_image(png_header(width, height))
    assert capfd.readouterr().err == ""


def test_an_absurdly_large_jpeg_or_bmp_is_refused(encode):
    small = np.zeros((8, 8, 3), np.uint8)
    jpeg = bytearray(encode(small, "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    bmp = bytearray(encode(small, "BMP"))
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    for data in (jpeg, bmp):
        with pytest.raises(InvalidInput, match=r"too large|exceeds limit"):
            read_image(bytes(data))


def test_a_size_of_zero_is_refused():
    with pytest.raises(InvalidInput, match="no content"):
        read_image(png_header(0, 5))


@pytest.mark.parametrize(
    "data", [b"", b"hello world", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a"]
)
def test_bytes_that_are_no_image_are_refused(data):
    with pytest.raises(InvalidInput, match=f"<{len(data)} bytes>"):
        read_image(data)


def test_what_is_no_readable_file_is_refused_with_the_reason(tmp_path):
    with pytest.raises(InvalidInput, match=r"no such file.*looked in"):
        read_image("missing-picture.jpg")
    with pytest.raises(InvalidInput, match="a folder"):
        read_image(tmp_path)
    with pytest.raises(InvalidInput, match=r"can't be a path|no such file"):
        read_image("null\0character")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InvalidInput, match="not a regular file"):
            read_image(tmp_path / "pipe")


def test_a_url_is_refused_with_what_to_do():
    with pytest.raises(InvalidInput, match="downloads nothing"):
        read_image("https://example.com/photo.jpg")


def test_a_value_of_another_type_is_refused_by_name():
    with pytest.raises(InvalidInput, match=r"pathlib\.|builtins\.dict"):
        read_image({})


@pytest.mark.filterwarnings("ignore:::PIL")  # Pillow warns of damaged metadata
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_invalid_input(data):
    stream = io.BytesIO()
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "ICO", "TGA"]))
    Pillow.new("RGB", (9, 7), (10, 200, 90)).save(stream, kind)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    try:
        image = read_image(bytes(content))
    except InvalidInput:
        return
    assert image.pixels.ndim == 3


def test_plain_files_are_read_without_importing_pillow(picture, encode, tmp_path: Path):
    paths = [tmp_path / "a.png", tmp_path / "b.jpg"]
    for path, kind in zip(paths, ("PNG", "JPEG"), strict=True):
        path.write_bytes(encode(picture, kind))
    code = (
        "import sys; from inference_vision.image import read_image\n"
        "[read_image(path) for path in sys.argv[1:]]; assert 'PIL' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, *map(str, paths)], check=True)


@pytest.mark.parametrize(
    ("several", "words"),
    [
        (("a.jpg", "b.jpg"), "as a list"),
        ((name for name in ("a.jpg", "b.jpg")), "as a list"),
        ({"a.jpg"}, "as a list"),
        (map(str, ["a.jpg"]), "as a list"),
        (["a.jpg"], "without lists in it"),
        (io.BytesIO(b"x"), r"its read\(\) gives"),
        (None, "pass a path"),
    ],
)
def test_several_images_in_anything_but_a_list_are_an_error_that_says_so(several, words):
    with pytest.raises(InvalidInput, match=words):
        read_image(several)
