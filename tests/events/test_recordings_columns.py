"""A folder of files whose columns have no names, beside files that know their own."""

import numpy as np
import pytest

import keras_slayer as ks
from keras_slayer.events import Events, as_events, read_events, write_events

EVENTS = Events(x=[3, 4, 5], y=[7, 8, 9], t=[10, 20, 3000], polarity=[1, 0, 1])
TABLE = np.stack([EVENTS.t, EVENTS.x, EVENTS.y, EVENTS.polarity], axis=1)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "recordings" / "up"
    place.mkdir(parents=True)
    np.save(place / "0.npy", TABLE)
    np.savetxt(place / "1.csv", TABLE, fmt="%d", delimiter=",")
    np.savetxt(place / "2.csv", TABLE[:, ::-1], fmt="%d", delimiter=",", header="p,y,x,t")
    write_events(place / "3.aedat", EVENTS)
    return tmp_path / "recordings"


@pytest.mark.parametrize("columns", ["txyp", "t,x,y,p", ("t", "x", "y", "p")])
def test_names_go_to_the_files_that_have_none(columns, folder):
    (folder / "up" / "2.csv").unlink()
    recordings = ks.events.from_folder(folder, columns=columns)
    assert [events for events, _ in recordings] == [EVENTS] * 3


def test_without_names_the_error_says_what_to_give(folder):
    with pytest.raises(ks.events.RecordingError, match=r'0\.npy.*columns="t,x,y,p"'):
        ks.events.from_folder(folder)[0]


def test_units_of_time(tmp_path):
    (tmp_path / "up").mkdir()
    np.save(tmp_path / "up" / "0.npy", TABLE * [1e-6, 1, 1, 1])
    recordings = ks.events.from_folder(tmp_path, columns="txyp", time_unit="s")
    assert recordings[0][0] == EVENTS


def test_other_columns_are_read_anew_from_a_cache(folder, tmp_path):
    def first(columns):
        recordings = ks.events.from_folder(
            folder, "{label}/*.npy", columns=columns, cache=tmp_path / "cache"
        )
        return recordings[0][0]

    assert first("txyp") == EVENTS
    swapped = first("tyxp")
    assert swapped.x.tolist() == EVENTS.y.tolist() and swapped != EVENTS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "txy"}, r"each of x, y, t and p once.*Received: columns='txy'"),
        ({"columns": "txyp", "reader": read_events}, r"a `reader` knows its own.*Received: reader"),
    ],
)
def test_refused_before_anything_is_read(options, message, folder):
    with pytest.raises(ValueError, match=message):
        ks.events.from_folder(folder, **options)


def test_one_spelling_suits_files_and_arrays(folder):
    for columns in ("txyp", "t,x,y,p", "t, x, y, p"):
        assert read_events(folder / "up" / "0.npy", columns=columns) == EVENTS
        assert as_events(TABLE, columns=columns) == EVENTS
