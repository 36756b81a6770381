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
    first, second = gate.enter(), gate.enter()
    gate.leave(first)
    gate.leave(second)


def test_an_exclusive_gate_lets_one_in_at_a_time():
    gate, entered = Gate("m", exclusive=True), threading.Event()
    me = gate.enter()

    def visitor():
        it = gate.enter()
        entered.set()
        gate.leave(it)

    other = started(visitor)
    assert not entered.wait(0.05)
    gate.leave(me)
    assert entered.wait(10)
    other.join(10)


def test_a_thread_that_would_wait_for_itself_gets_an_error():
    gate = Gate("m", exclusive=True)
    me = gate.enter()
    with pytest.raises(InferenceError, match="m: a stream of this model is still open"):
        gate.enter()
    gate.leave(me)
    gate.leave(gate.enter())


def test_a_closed_gate_lets_nobody_in_and_finishes_once_when_all_are_out():
    gate, finished = Gate("m", exclusive=False), []
    me = gate.enter()
    closers = [started(lambda: gate.close(lambda: finished.append(1))) for _ in range(3)]
    for closer in closers:
        closer.join(0.05)
        assert closer.is_alive()
    assert not finished
    with pytest.raises(ModelClosed, match="m was closed"):
        gate.enter()
    gate.leave(me)
    for closer in closers:
        closer.join(10)
        assert not closer.is_alive()
    assert finished == [1]
    gate.close(lambda: finished.append(2))
    assert finished == [1]


def test_who_closes_from_inside_does_not_wait_for_itself():
    gate, finished = Gate("m", exclusive=False), []
    me = gate.enter()
    gate.close(lambda: finished.append(1))
    assert not finished
    gate.leave(me)
    assert finished == [1]


def test_a_signal_handler_may_close_while_the_lock_is_held():
    gate, finished = Gate("m", exclusive=False), []
    with gate._lock:  # where the handler interrupts `enter` or `leave`
        gate.close(lambda: finished.append(1))
    assert finished == [1]


def test_who_waits_at_a_gate_that_closes_is_turned_away():
    gate = Gate("m", exclusive=True)
    me = gate.enter()
    turned_away = threading.Event()

    def visitor():
        try:
            gate.enter()
        except ModelClosed:
            turned_away.set()

    started(visitor)
    gate.close(lambda: None)
    assert turned_away.wait(10)
    gate.leave(me)
