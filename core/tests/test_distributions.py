"""What is installed: the same as importlib.metadata says, and quicker."""

from __future__ import annotations

import importlib
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest
from inference_core import discovery, distributions
from inference_core.distributions import EntryPoint, entry_points, header, normalised_name


def test_it_finds_what_importlib_metadata_finds():
    ours = {each.name: each for each in distributions._folders(tuple(sys.path))}
    theirs = {normalised_name(each.metadata["Name"]): each for each in metadata.distributions()}
    assert ours.keys() == theirs.keys()
    assert {"inference-core", "pytest"} <= ours.keys()
    for name, distribution in theirs.items():
        points = entry_points(ours[name].read_text("entry_points.txt") or "")
        expected = {(each.group, each.name, each.value) for each in distribution.entry_points}
        assert {(each.group, each.name, each.value) for each in points} == expected, name
        text = ours[name].read_text("METADATA") or ours[name].read_text("PKG-INFO")
        assert header(text, "name") == distribution.metadata["Name"]
        assert header(text, "Version") == distribution.version


def test_a_distribution_in_an_archive_is_found_and_imported(fake, site, monkeypatch):
    fake.backend("zipped")
    archive = site / "plugins.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(site.rglob("*")):
            if path.is_file() and path != archive:
                file.write(path, path.relative_to(site))
                path.unlink()
    monkeypatch.setattr(distributions, "search_path", lambda: [str(archive)])
    monkeypatch.syspath_prepend(str(archive))
    discovery.refresh()
    importlib.invalidate_caches()
    (plugin,) = discovery.plugins("backends")
    assert plugin.record.distribution == "inference-zipped"
    assert plugin.value.__file__.startswith(str(archive))


def test_a_folder_that_vanished_from_the_path_is_passed_over(fake, site, monkeypatch):
    fake.backend("here")
    monkeypatch.setattr(distributions, "search_path", lambda: ["/nowhere/at/all", str(site)])
    discovery.refresh()
    assert discovery.names("backends") == ["here"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a.b]\nx = y", [EntryPoint("a.b", "x", "y")]),
        ("# no\n\n[ a ]\n  x=m:f  \n[b]\nz = m [extra]\n",
         [EntryPoint("a", "x", "m:f"), EntryPoint("b", "z", "m [extra]")]),
        ("", []),
    ],
)  # fmt: skip
def test_entry_points_are_read_as_the_specification_has_them(text, expected):
    assert entry_points(text) == expected


def test_a_field_after_the_header_is_none_of_it():
    assert header("Name: a\n\nVersion: 1", "Version") is None


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no module!", "is no reference"),
        ("json:nothing", "AttributeError"),
        ("", "is no reference"),
    ],
)
def test_a_reference_to_nothing_is_a_failure_of_that_plugin(fake, reference, message):
    fake.add("inference-odd", {"backends": {"odd": reference}})
    (plugin,) = discovery.plugins("backends")
    assert message in plugin.failure.message


def test_listing_plugins_takes_no_importlib_metadata():
    code = (
        "import sys; from inference_core import discovery; discovery.records(); "
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
