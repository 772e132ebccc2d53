"""The report as text: every figure of its tables."""

from report_cases import HOSTILE, by_hand

from keras_slayer.export.report.text import render


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
