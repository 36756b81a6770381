"""Starting loads no framework: what `import inference_core` and `infer backends` leave in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("numpy", "pydantic", "cv2", "PIL", "torch", "onnxruntime", "onnx")


def loaded(code: str) -> set[str]:
    program = f"import sys\n{code}\nsys.stderr.write(' '.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return set(run.stderr.split()) & set(HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import inference_core",
        "from inference_core.cli import main; assert main(['backends']) == 0",
        "from inference_core.cli import main; assert main(['backends', '--json']) == 0",
    ],
)
def test_neither_numpy_nor_pydantic_nor_a_framework_is_loaded(code):
    assert loaded(code) == set()


def test_the_measure_itself_sees_what_is_loaded():
    assert loaded("import numpy") == {"numpy"}


def test_resolving_the_bundled_model_and_a_full_report_load_no_framework(shapes):
    code = """
from inference_core import AutoModel
assert AutoModel.resolve("shapes").chosen
str(AutoModel.describe_runtime())
"""
    assert loaded(code) & {"torch", "onnxruntime", "onnx", "cv2"} == set()
