"""The report as text: every figure of its tables."""

from mapping_cases import mlp
from report_cases import HOSTILE, by_hand
from wiring_cases import mixed

from keras_slayer.export.graph import graph_of
from keras_slayer.export.report.text import render
from keras_slayer.export.report.wiring import wiring_of


def lines_of(report):
    """Lines of the text, blanks between the cells collapsed."""
    return [" ".join(line.split()) for line in render(report).splitlines()]


def test_neurons_of_a_core_are_those_of_the_fullest():
    """100,300 neurons on 49 cores: 2,047 on 48 of them, 2,044 on the last."""
    assert 100_300 == 48 * 2047 + 2044
    lines = lines_of(by_hand())
    assert "conv 100 2,048 2,099 512 0.8 0 50% input axons" in lines
    assert f"{HOSTILE} 49 2,047 2,148 512 1.2 3 90% synaptic memory" in lines
    assert "output 1 2,048 2,149 512 1.2 0 90% layer size" in lines


def test_tables_of_the_calibration():
    lines = lines_of(by_hand())
    assert "as given 97.12% 100.00% 61.5 0 of 9,000" in lines
    assert "chip 96.25% 60.2 17 of 9,000" in lines
    assert "conv 1,234.5 0.0125 25% 98,765 2,500.0 0" in lines
    assert "output 1,232.5 0.0125 25% 98,767 2,500.0 4" in lines
    assert any(line.startswith("calibration: 3 samples, about 7.5 uJ each") for line in lines)


def test_what_the_populations_of_a_graph_read():
    lines = lines_of(by_hand(wiring=wiring_of(mixed())))
    assert lines[0] == "population reads reached in"
    assert lines[2] == "constant (bias) constant"
    assert lines[3] == "conv camera (step 1), constant step 1"
    assert lines[5] == "memory encoder, itself (delay 1) steps 4-11"
    assert lines[6] == "encoder/relay encoder relay, steps 4-11"
    assert (
        lines[10] == "speed fusion (steps 3-14), encoder (steps 9-16, delay 5) steps 3-16, output"
    )
    assert "(34, 34, 2) -> (10,), latency 3 steps" in lines


def test_a_chain_needs_no_such_lines():
    text = render(by_hand(wiring=wiring_of(graph_of(mlp(3, 2, 2)))))
    assert text == render(by_hand())
    assert "latency 3 steps (one per layer)" in text
