"""Who may use a session when."""

from __future__ import annotations

import threading

import pytest
from inference_core import InferenceError, ModelClosed
from inference_core.gate import Gate


def started(target):
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def test_an_open_gate_lets_any_number_in():
    gate = Gate("m", exclusive=False)
    gate.enter()
    gate.enter()
    gate.leave()
    gate.leave()
    assert gate.close() is True


def test_an_exclusive_gate_lets_one_in_at_a_time():
    gate, entered = Gate("m", exclusive=True), threading.Event()
    gate.enter()
    other = started(lambda: (gate.enter(), entered.set(), gate.leave()))
    assert not entered.wait(0.05)
    gate.leave()
    assert entered.wait(10)
    other.join(10)


def test_a_thread_that_would_wait_for_itself_gets_an_error():
    gate = Gate("m", exclusive=True)
    gate.enter()
    with pytest.raises(InferenceError, match="m: a stream of this model is still open"):
        gate.enter()
    gate.leave()
    gate.enter()
    gate.leave()


def test_a_closed_gate_lets_nobody_in_and_can_wait_for_those_inside():
    gate = Gate("m", exclusive=False)
    gate.enter()
    assert gate.close() is True
    assert gate.close() is False
    waiting = started(gate.wait)
    waiting.join(0.05)
    assert waiting.is_alive()
    with pytest.raises(ModelClosed, match="m was closed"):
        gate.enter()
    gate.leave()
    waiting.join(10)
    assert not waiting.is_alive()


def test_who_waits_at_a_gate_that_closes_is_turned_away():
    gate = Gate("m", exclusive=True)
    gate.enter()
    turned_away = threading.Event()

    def visitor():
        try:
            gate.enter()
        except ModelClosed:
            turned_away.set()

    started(visitor)
    gate.close()
    assert turned_away.wait(10)
    gate.leave()
    gate.wait()
