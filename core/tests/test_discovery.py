"""Plugins are found from metadata, imported one by one under a guard, and picked by configuration."""

from __future__ import annotations

import sys

import pytest
from inference_core import configuration, discovery
from inference_core.discovery import plugins, records


def failures(kind="backends"):
    return {plugin.record.name: plugin.failure for plugin in plugins(kind)}


def test_listing_imports_nothing(fake):
    fake.backend("angry", "raise RuntimeError('imported')")
    (record,) = records()
    assert (record.kind, record.name, record.value) == ("backends", "angry", "angry_backend")
    assert record.origin == "inference-angry 1.0"
    assert "angry_backend" not in sys.modules


def test_records_come_in_a_fixed_order_whatever_the_file_system_says(fake):
    for name in ("zeta", "alpha", "mid"):
        fake.backend(name)
    assert discovery.names("backends") == ["alpha", "mid", "zeta"]


def test_other_groups_and_unknown_kinds_are_not_ours(fake):
    fake.add("other", {"plugins": {"x": "nothing"}})
    assert records() == ()


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def :", "SyntaxError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_a_value_with_a_reason(fake, source, cause):
    fake.backend("broken", source)
    fake.backend("healthy")
    found = failures()
    assert found["healthy"] is None
    assert cause in found["broken"].message
    assert "inference-broken 1.0" in found["broken"].message
    assert "INFERENCE_DISABLE=inference-broken" in found["broken"].fix


@pytest.mark.parametrize("value", ["some_module:nothing", "not a reference!", "", ":"])
def test_an_entry_point_to_nothing_is_a_value_with_a_reason(fake, value):
    fake.add("inference-odd", {"backends": {"odd": value}}, {"some_module": ""})
    fake.backend("healthy")
    found = failures()
    assert found["healthy"] is None
    assert "odd" not in found or found["odd"].code == "error"


def test_a_failing_import_is_tried_once_and_again_after_refresh(fake, site):
    fake.backend(
        "flaky", "with open(__file__ + '.log', 'a') as log:\n    log.write('x')\nraise RuntimeError"
    )
    failures()
    failures()
    log = site / "flaky_backend.py.log"
    assert log.read_text() == "x"
    (site / "flaky_backend.py").write_text(fake.healthy)
    discovery.refresh()
    assert failures() == {"flaky": None}


@pytest.mark.parametrize("damage", ["no metadata", "binary metadata", "binary entry points"])
def test_damaged_metadata_of_one_distribution_hides_no_other(fake, damage):
    info = fake.add("inference-damaged", {"backends": {"damaged": "x"}})
    if damage == "no metadata":
        (info / "METADATA").unlink()
    elif damage == "binary metadata":
        (info / "METADATA").write_bytes(b"\xff\xfe\x00")
    else:
        (info / "entry_points.txt").write_bytes(b"[inference_core.backends]\n\xff\xfe = x\n")
    fake.backend("healthy")
    found = failures()
    assert found["healthy"] is None
    told = [*discovery.damaged(), *filter(None, found.values())]
    assert "damaged" in told[0].message, "the damaged distribution is nowhere to be seen"


def test_a_group_that_nothing_looks_into_is_a_problem(fake):
    info = fake.add("inference-odd", {"backends": {"odd": "x"}})
    (info / "entry_points.txt").write_text("[inference_core.backend]\nodd = x\n")
    discovery.refresh()
    assert discovery.records() == ()
    (problem,) = discovery.damaged()
    assert "inference-odd has entry points in the group 'inference_core.backend'" in problem.message
    assert "did you mean 'inference_core.backends'?" in problem.message


def test_two_distributions_with_one_name_make_it_unusable_until_one_is_picked(
    fake, tmp_path, monkeypatch
):
    fake.add("inference-one", {"backends": {"twin": "twin_one"}}, {"twin_one": fake.healthy})
    fake.add("inference-two", {"backends": {"twin": "twin_two"}}, {"twin_two": fake.healthy}, "2.0")
    fake.backend("healthy")
    both = [plugin for plugin in plugins("backends") if plugin.record.name == "twin"]
    assert [plugin.failure.code for plugin in both] == ["ambiguous", "ambiguous"]
    for plugin in both:
        assert "inference-one 1.0 and inference-two 2.0" in plugin.failure.message
        assert "pick.backends." in plugin.failure.message
    assert failures()["healthy"] is None

    config = tmp_path / "picks.toml"
    config.write_text('[pick.backends]\ntwin = "Inference_Two"\n')
    monkeypatch.setenv("INFERENCE_CONFIG", str(config))
    usable = [
        p.record.distribution
        for p in plugins("backends")
        if p.record.name == "twin" and not p.failure
    ]
    assert usable == ["inference-two"]

    monkeypatch.delenv("INFERENCE_CONFIG")
    monkeypatch.setenv("INFERENCE_CONFIG", str(tmp_path / "empty.toml"))
    (tmp_path / "empty.toml").touch()
    monkeypatch.setenv("INFERENCE_DISABLE", "inference-two")
    usable = [
        p.record.distribution
        for p in plugins("backends")
        if p.record.name == "twin" and not p.failure
    ]
    assert usable == ["inference-one"]


def test_one_name_in_two_kinds_is_no_conflict(fake):
    fake.add("inference-one", {"backends": {"same": "same_a"}}, {"same_a": fake.healthy})
    fake.add("inference-two", {"sources": {"same": "same_a:load"}})
    assert failures() == {"same": None}
    assert failures("sources") == {"same": None}


def test_a_distribution_that_is_on_the_path_twice_counts_once(fake):
    fake.backend("healthy")
    fake.add("Inference_Healthy", {"backends": {"healthy": "healthy_backend"}}, version="0.9")
    assert len(records()) == 1


@pytest.mark.parametrize("name", ["cam", "inference-camera", "camera"])
def test_a_plugin_is_disabled_by_its_name_distribution_or_short_name(fake, monkeypatch, name):
    fake.add(
        "inference-camera", {"backends": {"cam": "cam_module"}}, {"cam_module": "raise OSError"}
    )
    fake.backend("healthy")
    monkeypatch.setenv("INFERENCE_DISABLE", f"other,{name}")
    found = failures()
    assert found["cam"].code == "disabled"
    assert "cam_module" not in sys.modules
    assert found["healthy"] is None


@pytest.mark.parametrize("name", ["cam", "inference-camera", "camera"])
def test_an_allowlist_disables_all_others(fake, monkeypatch, name):
    fake.add("inference-camera", {"backends": {"cam": "cam_module"}}, {"cam_module": fake.healthy})
    fake.backend("healthy")
    monkeypatch.setenv("INFERENCE_PLUGINS", name)
    found = failures()
    assert found["cam"] is None
    assert found["healthy"].code == "disabled"
    assert found["healthy"].fix == f"INFERENCE_PLUGINS={name},inference-healthy"


def test_the_variables_count_without_a_restart(fake, monkeypatch):
    fake.backend("healthy")
    assert failures() == {"healthy": None}
    monkeypatch.setenv("INFERENCE_DISABLE", "healthy")
    assert failures()["healthy"].code == "disabled"


def test_a_name_that_no_plugin_has_is_a_problem_with_a_suggestion(fake, monkeypatch):
    fake.backend("healthy")
    monkeypatch.setenv("INFERENCE_DISABLE", "helathy,inference-healthy")
    (problem,) = discovery.unknown_names()
    assert "INFERENCE_DISABLE names 'helathy'" in problem.message
    assert "did you mean 'healthy'" in problem.message


def test_only_the_asked_for_names_are_imported(fake):
    fake.backend("angry", "raise RuntimeError")
    fake.backend("healthy")
    assert [p.record.name for p in plugins("backends", configuration.read(), ("healthy",))] == [
        "healthy"
    ]
    assert "angry_backend" not in sys.modules
