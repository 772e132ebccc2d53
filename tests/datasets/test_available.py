"""The table of data sets against the builders that it describes."""

import dataclasses
import inspect
import pathlib
import re

import pytest
import tensorflow_datasets as tfds

from keras_slayer import datasets
from keras_slayer.datasets.record import GENERATED, MADE_UP, REAL

RECORDS = datasets.available(show=False)
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "datasets.md"
BY_HAND = ["cifar10_dvs", "n_cars", "asl_dvs", "dvs_lip"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_records_are_those_of_the_builders(record, tmp_path):
    builder = tfds.builder(record.name, data_dir=tmp_path)
    assert record in builder.RECORDS
    assert builder.info.features["label"].num_classes == record.classes
    if record.checked_on != GENERATED:
        assert builder.info.redistribution_info.license == record.licence
        assert builder.info.homepage == record.homepage
        assert record.licence in builder.info.description.replace("\n", " ")


def test_every_builder_of_this_package_is_listed():
    """A new data set needs `RECORDS` in its builder, and its builder in datasets/listing.py."""
    registered = {
        name
        for name in tfds.list_builders(with_community_datasets=False)
        if inspect.getmodule(tfds.builder_cls(name)).__name__.startswith("keras_slayer.")
    }
    assert registered == {record.name.partition("/")[0] for record in RECORDS}


def test_every_variant_is_listed_once():
    names = [record.name for record in RECORDS]
    assert len(set(names)) == len(names)
    for name in ("saccade_mnist", "synthetic_gestures"):
        configs = tfds.builder_cls(name).builder_configs
        assert [f"{name}/{config}" for config in configs] == [n for n in names if name in n]


def test_counts_of_what_is_generated():
    records = {record.name: record for record in RECORDS}
    assert (records["saccade_mnist/small"].train, records["saccade_mnist/small"].test) == (
        1000,
        200,
    )
    assert (records["synthetic_gestures/full"].train, records["synthetic_gestures/full"].test) == (
        1100,
        275,
    )


def test_the_table_shows_every_record(capsys):
    assert datasets.available() == RECORDS
    text = capsys.readouterr().out
    for record in RECORDS:
        first, second = (line for line in text.splitlines() if line.startswith(f"{record.name} "))
        for part in (str(record.classes), f"{record.train:,} + ", record.duration, record.needs):
            assert part in first
        for part in (record.licence, record.figure or "-", record.checked_on):
            assert part in second
    assert "up to 180 x 240 x 2" in text and "about 7,000 + 1,700" in text
    assert max(map(len, text.splitlines()[:-1])) < 140


def test_recordings_for_validation_and_estimates_are_shown(capsys, monkeypatch):
    builder = tfds.builder_cls("nmnist")
    (record,) = builder.RECORDS
    record = dataclasses.replace(record, validation=5, counts_are_known=False)
    monkeypatch.setattr(builder, "RECORDS", (record,))
    assert datasets.available()[0] == record
    assert "about 60,000 + 5 + 10,000 " in capsys.readouterr().out


def test_the_page_shows_the_same_table(capsys):
    """Cells of the page, in order, against those that are printed."""
    datasets.available()
    printed = [line for line in capsys.readouterr().out.splitlines() if "  " in line]
    text = re.sub(r"\[(`[^`]+`)\]\([^)]+\)", r"\1", PAGE.read_text())
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    names = {record.name for record in RECORDS}
    page = [[cell.strip("` ") for cell in row.strip("|").split("|")] for row in rows]
    page = [cells for cells in page if cells[0] in {"name", *names} and len(cells) > 3]
    assert page == [re.split(r"  +", line.rstrip()) for line in printed]


def test_what_was_never_run_on_real_data_is_named(capsys):
    datasets.available()
    note = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert note.startswith("Never run here on the real data")
    assert all(name in note for name in ("n_caltech101", "dvs_gesture", *BY_HAND))
    assert {record.checked_on for record in RECORDS} == {REAL, MADE_UP, GENERATED}
    assert "nmnist" not in note and "saccade" not in note


def test_nothing_is_printed_on_demand(capsys):
    datasets.available(show=False)
    assert not capsys.readouterr().out
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECORDS[0].train = 0


@pytest.mark.parametrize("name", BY_HAND)
def test_nothing_there_says_what_to_fetch(name, tmp_path, prepare_by_hand):
    builder = tfds.builder_cls(name)
    with pytest.raises(FileNotFoundError) as error:
        prepare_by_hand(name)
    assert builder.MANUAL_DOWNLOAD_INSTRUCTIONS in str(error.value)
    assert f"does not hold {builder.RECORDS[0].title}" in str(error.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError) as error:
        getattr(datasets, f"load_{name}")(tmp_path / "empty", data_dir=tmp_path)
    assert f"{tmp_path / 'empty'} does not hold what {name} is made from" in str(error.value)
    assert "https://" in str(error.value)
