"""onnxtr can download models; here it must never try, whatever the options and the paths are."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from . import drawn
from .conftest import write_package
from .test_documents import pdf

SCRIPT = """
import socket, sys
def refuse(*arguments, **keywords):
    raise SystemExit(f"tried to reach {arguments}")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse

import json
import numpy as np
from inference_core import AutoModel

page = np.load(sys.argv[2])
with AutoModel.from_pretrained(sys.argv[1]) as model:
    found = [
        model((page, sys.argv[3]), color_format="rgb", **options).text
        for options in (
            {},
            {"assume_straight_pages": False},
            {"detect_orientation": True},
            {"straighten_pages": True},
            {"straighten_pages": True, "assume_straight_pages": False},
        )
    ]
heavy = sorted({"torch", "torchvision", "doctr"} & sys.modules.keys())
print(json.dumps([found, heavy]))
"""


@pytest.mark.parametrize("orientation", [False, True])
def test_nothing_is_downloaded_and_no_torch_is_imported(tmp_path, orientation):
    # onnxtr takes every path with these letters in it for an address.
    folder = tmp_path / "from-http-server"
    folder.mkdir()
    write_package(folder, orientation=orientation)
    page = drawn.blank()
    drawn.write(page, "head", 100, 100)
    letter = folder / "letter.pdf"
    letter.write_bytes(pdf([[("head", 100, 100)]]))
    np.save(tmp_path / "page.npy", page)
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "page.npy"), str(letter)],
        capture_output=True,
        text=True,
        env={"HOME": str(home), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(home / "cache")},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["head\fhead"] * 5, []]
    left = [path for path in home.rglob("*") if "onnxtr" in str(path)]
    assert left == []
