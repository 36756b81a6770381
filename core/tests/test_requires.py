"""`requires`: facts of the machine against versions, strings and lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core.requires import unmet

FACTS = {
    "tensorrt": "10.9.0.34",
    "runtime": "2.0.0rc1",
    "gpu.compute_capability": "8.9",
    "cuda.driver": "550.54.15",
    "cpu.features": ("avx2", "fma", "avx512f"),
    "gpu.name": "NVIDIA L4",
    "jetson.l4t": "36.4.3",
    "odd": "R36 (release)",
}


@pytest.mark.parametrize(
    "requires",
    [
        {},
        {"tensorrt": "==10.9.*"},
        {"tensorrt": ">=10,<11"},
        {"tensorrt": "~=10.9"},
        {"tensorrt": "!=10.8.0.1"},
        {"cuda.driver": ">=550"},
        {"gpu.compute_capability": "8.9"},
        {"gpu.compute_capability": ["8.9", "9.0"]},
        {"gpu.compute_capability": [">=9.0", "==8.9"]},
        {"runtime": ">=1.9"},
        {"runtime": "<2.0.1"},
        {"cpu.features": "avx2"},
        {"cpu.features": ["amx_tile", "fma"]},
        {"gpu.name": "NVIDIA L4"},
    ],
)
def test_met(requires):
    assert unmet(requires, FACTS) == []


@pytest.mark.parametrize(
    ("requires", "message"),
    [
        ({"tensorrt": "==10.8.*"}, "wants tensorrt ==10.8.*; found 10.9.0.34"),
        ({"tensorrt": "10.9"}, "wants tensorrt 10.9; found 10.9.0.34"),
        ({"gpu.compute_capability": ["7.5", "8.6"]},
         "wants gpu.compute_capability 7.5 or 8.6; found 8.9"),
        ({"mps": ">=1"}, "wants mps >=1; found nothing"),
        ({"runtime": ">=2.0"}, "wants runtime >=2.0; found 2.0.0rc1"),
        ({"cpu.features": "sve"}, "wants cpu.features sve; found avx2, fma, avx512f"),
        ({"odd": ">=1"}, "wants odd >=1; found R36 (release)"),
        ({"tensorrt": ">=ten"}, "tensorrt is wanted as '>=ten', which is no valid version range"),
        ({"tensorrt": [">=1", "<"]}, "tensorrt is wanted as '<', which is no valid version range"),
    ],
)  # fmt: skip
def test_unmet_says_what_was_wanted_and_found(requires, message):
    (reason,) = unmet(requires, FACTS)
    assert (reason.code, reason.message) == ("requirement", message)


def test_every_unmet_fact_has_its_reason():
    reasons = unmet({"a": "1", "tensorrt": "<1", "gpu.name": "other"}, FACTS)
    assert len(reasons) == 3


wanted = st.one_of(st.text(), st.lists(st.text(), max_size=3))
found = st.one_of(st.text(), st.lists(st.text(), max_size=3).map(tuple))


@given(st.dictionaries(st.text(), wanted), st.dictionaries(st.text(), found))
def test_it_never_raises_and_gives_at_most_one_reason_per_fact(requires, facts):
    reasons = unmet(requires, facts)
    assert len(reasons) <= len(requires)


versions = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)


@given(versions, versions)
def test_a_range_and_its_opposite_are_never_both_met(one, other):
    facts = {"v": one}
    assert bool(unmet({"v": f">={other}"}, facts)) != bool(unmet({"v": f"<{other}"}, facts))
    assert bool(unmet({"v": f"=={other}"}, facts)) != bool(unmet({"v": f"!={other}"}, facts))


@given(versions.filter(lambda text: text), st.lists(versions, max_size=3))
def test_an_exact_string_is_met_by_itself_alone_or_in_a_list(version, others):
    assert unmet({"v": version}, {"v": version}) == []
    assert unmet({"v": [*others, version]}, {"v": version}) == []
    assert unmet({"v": version}, {"v": (*others, version)}) == []
