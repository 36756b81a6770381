"""The tools that judge what was built: one wheel with a mistake of each kind, and two builds that
differ. The wheels of this repository are judged when the session `wheels` builds them."""

from __future__ import annotations

import base64
import hashlib
import importlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"

METADATA = """\
Metadata-Version: 2.4
Name: inference-some
Version: 1!0.1.0
Summary: A backend
License-Expression: Apache-2.0
License-File: LICENSE
Classifier: Development Status :: 3 - Alpha
Classifier: Intended Audience :: Developers
Classifier: Operating System :: OS Independent
Classifier: Programming Language :: Python :: 3
Classifier: Programming Language :: Python :: 3 :: Only
Classifier: Topic :: Scientific/Engineering :: Artificial Intelligence
Classifier: Typing :: Typed
Requires-Python: >=3.11
Requires-Dist: inference-core<1!1,>=1!0.1
Requires-Dist: numpy>=1.26
Provides-Extra: cpu
Requires-Dist: runtime>=2; extra == 'cpu'
Description-Content-Type: text/markdown

# inference-some
"""
INFO = "inference_some-1!0.1.0.dist-info"
FILES = {
    "inference_some/__init__.py": "",
    "inference_some/py.typed": "",
    "inference_some/plugin.py": "",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": "[inference_core.backends]\nsome = inference_some.plugin\n",
    f"{INFO}/licenses/LICENSE": "words",
}


@pytest.fixture
def tool(monkeypatch):
    """Import a script of tools/ by name."""
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module


def write(folder: Path, files: dict[str, str], record=lambda text: text, name=None) -> Path:
    rows = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        rows.append(f"{file},sha256={digest.decode()},{len(text.encode())}\n")
    listed = record("".join([*rows, f"{INFO}/RECORD,,\n"]))
    path = folder / (name or "inference_some-1!0.1.0-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{INFO}/RECORD": listed}.items():
            wheel.writestr(file, text)
    return path


def told(tool, capsys, *paths) -> str:
    """What `check_wheels` prints of wheels that have something wrong."""
    assert tool("check_wheels").main([str(path) for path in paths]) == 1
    return capsys.readouterr().out


def test_a_wheel_as_it_should_be_has_no_problem(tool, tmp_path, capsys):
    assert tool("check_wheels").main([str(write(tmp_path, FILES))]) == 0
    assert capsys.readouterr().out == "1 wheels are as they should be\n"


def test_no_wheel_at_all_is_a_failure(tool):
    assert tool("check_wheels").main([]) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core<1!1,>=1!0.1", "core", "inference-core is asked for as >=1!X,<1!Y, not as any"),
        ("core<1!1,>=1!0.1", "core>=1!0.1", "not as >=1!0.1"),
        ("core<1!1,>=1!0.1", "core<1,>=0.1", "not as <1,>=0.1"),
        ("core<1!1,>=1!0.1", "core~=1!0.1", "not as ~=1!0.1"),
        ("core<1!1,>=1!0.1", "core<1!1,>=1!2", "not as <1!1,>=1!2"),
        ("inference-core<1!1", "pluggy<1!1", "asks once for inference-core"),
        ("inference-core<1!1,>=1!0.1", "inference-core<1!1,>=1!0.1; extra == 'cpu'", "without an"),
        ("numpy>=1.26", "numpy @ file:///home/me/numpy.whl", "numpy.whl is a direct reference"),
        ("numpy>=1.26", "numpy @ https://host.example/n.whl", "is a direct reference"),
        ("numpy>=1.26", "numpy>=1,,", "requires-dist"),
        ("runtime>=2; extra == 'cpu'", "runtime>=2; extra == 'cuda'", "the extra cuda isn't provided"),
        ("Provides-Extra: cpu", "Provides-Extra: gpu", "the extra gpu asks for nothing"),
        ("Apache-2.0", "MIT", "its licence is MIT, not Apache-2.0"),
        ("License-Expression: Apache-2.0\n", "", "its licence is None"),
        ("License-Expression: Apache-2.0", "License-Expression: Mine", "license-expression"),
        ("License-File: LICENSE", "License-File: COPYING", "not LICENSE"),
        ("Requires-Python: >=3.11", "Requires-Python: >=3.9", "requires Python >=3.9"),
        ("Summary: A backend\n", "", "no one-line description"),
        ("# inference-some\n", "", "no description"),
        ("text/markdown", "text/x-rst", "text/x-rst, not text/markdown"),
        ("Classifier: Typing :: Typed\n", "", "the classifier Typing :: Typed is missing"),
        ("3 :: Only", "3.11", "Programming Language :: Python :: 3 :: Only is missing"),
        ("Development Status :: 3 - Alpha", "Framework :: Pytest", "no classifier Development"),
        ("Typing :: Typed", "Typing :: Typed\nClassifier: License :: OSI Approved", "License stands"),
        ("Requires-Python", "Project-URL: Source, http://10.0.0.1/x\nRequires-Python", "Source isn't"),
        ("Requires-Python", "Project-URL: Docs, https://localhost/\nRequires-Python", "Docs isn't"),
        ("Requires-Python", "Home-page: file:///home/me\nRequires-Python", "Home-page isn't"),
        ("1!0.1.0", "0.1.0", "it says that it is inference-some 0.1.0"),
        ("Alpha", "Alpha\nClassifier: Private :: Do Not Upload", "epoch of version 1!0.1.0 isn't 0"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_metadata_is_named(tool, tmp_path, capsys, old, new, message):
    assert old in METADATA
    files = {**FILES, f"{INFO}/METADATA": METADATA.replace(old, new)}
    assert message in told(tool, capsys, write(tmp_path, files))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("inference_some/py.typed", None, "inference_some/py.typed is missing"),
        ("inference_some/__init__.py", None, "inference_some/__init__.py is missing"),
        (f"{INFO}/licenses/LICENSE", None, "licenses/LICENSE is missing"),
        (f"{INFO}/METADATA", None, "it holds 0 METADATA files"),
        ("tests/test_some.py", "", "tests/test_some.py doesn't belong into it"),
        ("inference_some/__pycache__/plugin.pyc", "", "plugin.pyc doesn't belong into it"),
        ("inference_some/../../evil.py", "", "evil.py doesn't belong into it"),
        (f"{INFO}/entry_points.txt", "nonsense", "entry_points.txt can't be read"),
        (f"{INFO}/entry_points.txt", "[inference_core.backend]\nsome = inference_some.plugin",
         "nothing reads entry points of the group inference_core.backend"),
        (f"{INFO}/entry_points.txt", "[inference_core.backends]\nsome = inference_some.plugni",
         "names inference_some.plugni, which the wheel doesn't hold"),
        (f"{INFO}/entry_points.txt", "[inference_core.backends]\nsome = inference_some/plugin.py",
         "some = inference_some/plugin.py can't be read"),
    ],
)  # fmt: skip
def test_a_file_too_few_too_many_or_wrong_is_named(tool, tmp_path, capsys, file, text, message):
    files = {name: content for name, content in FILES.items() if name != file or text is not None}
    if text is not None:
        files[file] = text
    assert message in told(tool, capsys, write(tmp_path, files))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (lambda text: text.partition("\n")[2], "doesn't list inference_some/__init__.py"),
        (lambda text: text + "inference_some/gone.py,sha256=x,1\n", "lists inference_some/gone.py"),
        (lambda text: text.replace("sha256=", "sha256=x", 1), "another sum or size for inference_some"),
        (lambda text: text.replace(",0\n", ",7\n", 1), "another sum or size for inference_some"),
    ],
)  # fmt: skip
def test_a_wrong_record_is_named(tool, tmp_path, capsys, record, message):
    assert message in told(tool, capsys, write(tmp_path, FILES, record))


def test_what_is_no_wheel_is_named_beside_what_is_wrong_with_others(tool, tmp_path, capsys):
    torn = tmp_path / "inference_torn-1!0.1.0-py3-none-any.whl"
    torn.write_bytes(b"PK")
    misnamed = write(tmp_path, FILES, name="some.whl")
    lost = tmp_path / "inference_lost-1!0.1.0-py3-none-any.whl"
    tagged = write(tmp_path, FILES, name="inference_some-1!0.1.0-cp311-cp311-linux_x86_64.whl")
    text = told(tool, capsys, torn, misnamed, lost, tagged)
    for word in ("inference_torn", "some.whl: Invalid", "inference_lost", "py3-none-any.whl"):
        assert word in text


def test_wheels_that_cannot_stand_together_are_named(tool, tmp_path, capsys):
    core = {
        name.replace("some", "core"): text.replace("some", "core") for name, text in FILES.items()
    }
    info = "inference_core-1!0.1.0.dist-info"
    core[f"{info}/METADATA"] = core[f"{info}/METADATA"].replace(
        "Requires-Dist: inference-core<1!1,>=1!0.1",
        "Requires-Dist: inference-some[gpu]<1!1,>=1!0.2",
    )
    path = write(tmp_path, core, name="inference_core-1!0.1.0-py3-none-any.whl")
    text = told(tool, capsys, path, write(tmp_path, FILES))
    assert "inference-some[gpu]<1!1,>=1!0.2 doesn't admit inference-some 1!0.1.0" in text
    assert "inference-some has no extra gpu" in text


def archives(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    write(folder, {**FILES, **files})
    with tarfile.open(folder / "some.tar.gz", "w:gz") as sdist:
        member = tarfile.TarInfo("some/file")
        sdist.addfile(member)
    return folder


def test_two_builds_are_compared_by_their_files(tool, tmp_path, capsys):
    one = archives(tmp_path / "one", {})
    two = archives(tmp_path / "two", {"inference_some/extra.py": "x = 1"})
    compare = tool("compare_builds").main
    assert compare(one, one) == 0
    (two / "some.tar.gz").unlink()
    capsys.readouterr()
    assert compare(one, two) == 1
    text = capsys.readouterr().out
    assert "none-any.whl differs" in text
    assert "inference_some/extra.py" in text
    assert "plugin.py" not in text
    assert f"{two / 'some.tar.gz'} is missing" in text


def test_two_builds_that_differ_in_dates_only_differ(tool, tmp_path, capsys):
    one = archives(tmp_path / "one", {})
    path = write(tmp_path, FILES)
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.comment = b"another"
    two = tmp_path / "two"
    two.mkdir()
    path.rename(two / path.name)
    (two / "some.tar.gz").write_bytes((one / "some.tar.gz").read_bytes())
    assert tool("compare_builds").main(one, two) == 1
    assert "only dates, modes or the order" in capsys.readouterr().out


def test_two_empty_folders_are_no_builds(tool, tmp_path):
    assert tool("compare_builds").main(tmp_path, tmp_path) == 1


def test_a_distribution_with_others_beside_it_is_not_alone():
    pytest.importorskip("inference_vision")
    run = subprocess.run(
        [sys.executable, str(TOOLS / "try_wheel.py"), "inference-vision"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 1
    # In an editable installation it ends earlier, for that is no wheel at all.
    assert "should list [] as" in run.stderr or "was imported from" in run.stderr
