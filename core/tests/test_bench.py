"""`infer bench`: its arithmetic, and its processes, with the linear backend of these tests."""

from __future__ import annotations

import json
import statistics
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference_core.cli.figures import PERCENTILES, fastest, percentile, spread

times = st.lists(st.floats(1e-6, 100), min_size=1, max_size=50)


@given(values=times, percent=st.floats(0, 100))
def test_percentiles_are_those_of_numpy(values, percent):
    assert percentile(values, percent) == pytest.approx(np.percentile(values, percent))


@given(values=st.lists(st.floats(1e-6, 100), min_size=20, max_size=90))
def test_the_spread_is_of_the_medians_of_ten_blocks(values):
    blocks = [statistics.median(block) for block in np.array_split(values, 10)]
    low, high = spread(values)
    if len(values) % 10 == 0:
        assert (low, high) == (min(blocks), max(blocks))
    assert min(values) <= low <= high <= max(values)


def test_too_few_values_have_no_spread():
    assert spread([1.0] * 19) is None
    assert str(fastest({"a": [1.0] * 5, "b": [2.0] * 50})) == (
        "fastest: a; b takes 2.00 times as long; too few runs to say how sure that is"
    )


def test_the_fastest_is_sure_only_if_the_spreads_do_not_touch():
    steady, drifting = [1.0, 1.1] * 50, list(np.linspace(0.9, 1.5, 100))
    ranking = fastest({"slow": [2.0, 2.2] * 50, "quick": steady})
    assert (ranking.backend, ranking.sure) == ("quick", True)
    assert "slow takes 2.00 times as long (2.00 to 2.00); sure" in str(ranking)
    ranking = fastest({"quick": steady, "drifts": drifting, "slow": [9.0] * 100})
    assert (ranking.backend, ranking.sure, list(ranking.others)) == (
        "quick", False, ["drifts", "slow"])  # fmt: skip
    assert "touches that of drifts." in str(ranking)
    assert str(fastest({"a": [1.0]})) == "only a was measured"


BENCH = ("bench", "--runs", "25", "--warm-up", "2", "--backend", "linear")


def test_a_plain_graph_is_measured_in_a_process_of_its_own_on_arrays_of_ones(infer, linear):
    code, out, err = infer(*BENCH, linear.file(), "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    (backend,) = report["backends"]
    assert (report["input"], report["failed"]) == (None, {})
    assert (backend["backend"], backend["device"], backend["runs"]) == ("linear", "cpu", 25)
    assert backend["batch"] == 1
    assert list(backend["stages"]) == ["read", "run", "all"]
    for figures in backend["stages"].values():
        assert 0 < figures["p50_ms"] <= figures["p90_ms"] <= figures["p99_ms"]
        assert figures["per_second"] == pytest.approx(1e3 / figures["mean_ms"])
    low, high = backend["median_spread_ms"]
    assert low <= backend["stages"]["all"]["p50_ms"] <= high
    assert backend["streamed_per_second"] > 0
    assert report["fastest"] == {"backend": "linear", "sure": None, "times_as_long": {}}
    assert "linear_session" not in sys.modules


def test_the_table_has_a_row_for_each_stage(infer, linear, tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((1, 2), np.float32))
    code, out, err = infer(*BENCH, linear.file(), "a.npz")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].endswith("on a.npz · 1 per call")
    assert lines[1].split() == (
        ["backend", "stage"] + [w for p in PERCENTILES for w in (f"p{p}", "ms")]
        + ["mean", "ms", "per", "second"])  # fmt: skip
    assert [line.split()[:2] for line in lines[2:5]] == [
        ["linear", "read"], ["linear", "run"], ["linear", "all"]]  # fmt: skip
    assert lines[5].startswith("linear on cpu, model.linear: 25 runs, loaded in ")
    assert lines[6] == "only linear was measured"


def test_a_slow_stage_is_where_it_is_slow(infer, linear):
    code, out, _ = infer(*BENCH, linear.file(delay=0.02), "--seconds", "0.2", "--json")
    (backend,) = json.loads(out)["backends"]
    assert code == 0
    assert backend["stages"]["run"]["p50_ms"] >= 20
    assert backend["stages"]["read"]["p50_ms"] < 20
    assert 1 <= backend["runs"] < 20  # the time was up before
    assert backend["streamed_per_second"] is None  # too few runs to say


def test_a_backend_that_fails_is_a_row_and_the_exit_code_1(infer, linear, tmp_path):
    np.savez(tmp_path / "wrong.npz", x=np.ones((1, 7), np.float32))
    code, out, _ = infer(*BENCH, linear.file(), "wrong.npz")
    assert code == 1
    assert "linear   failed" in out
    assert "shape (1, 7)" in out
    code, out, _ = infer(*BENCH, linear.file(), "wrong.npz", "--json")
    assert (code, json.loads(out)["fastest"]) == (1, None)
    assert "shape (1, 7)" in json.loads(out)["failed"]["linear"]


def test_a_backend_that_crashes_is_said_to_have_crashed(infer, linear, fake):
    source = (fake.site / "linear_session.py").read_text()
    (fake.site / "linear_session.py").write_text(
        source.replace("with self.lock:", "import os; os.abort()\n        with self.lock:", 1)
    )
    code, out, _ = infer(*BENCH, linear.file())
    assert code == 1
    assert "its process ended with exit status" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--runs", "0"), 2, "--runs must be at least 1"),
        (("--warm-up", "-1"), 2, "--warm-up at least 0"),
        (("--save", "h.txt"), 2, "--save h.txt: it takes a picture"),
        (("missing.npz",), 1, "missing.npz is no file"),
        (("",), 1, "an empty name is no file"),
        (("clip.mp4",), 1, "clip.mp4 is a video; bench runs on one picture"),
        (("--save", ""), 2, "--save: takes a name"),
        (("--device", "mps"), 1, "no backend can run"),
        (("--strict",), 2, "bench takes no --strict"),
        (("--seconds", "0"), 2, "more than 0"),
    ],
)
def test_wrong_usage_is_told_before_anything_runs(
    infer, linear, tmp_path, arguments, code, message
):
    (tmp_path / "clip.mp4").touch()
    ended, out, err = infer("bench", linear.file(), *arguments)
    assert (ended, out) == (code, "")
    assert message in err
