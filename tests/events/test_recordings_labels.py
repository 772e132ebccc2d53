"""Which files are recordings, and what their labels are."""

import pathlib

import numpy as np
import pytest
from recording_cases import SENSOR, class_folder, make_folder

from keras_slayer.events import RecordingsWarning, from_arrays, from_folder
from keras_slayer.events.recordings.patterns import compile_pattern, files_below

NAMES = ["anna/left_1.bin", "anna/right_1.bin", "ben/left_1.bin", "ben/old/left_9.bin"]


def load(folder, pattern=None, **arguments):
    return from_folder(folder, pattern, **{"sensor_shape": SENSOR, **arguments})


def relative(recordings, folder):
    return [pathlib.Path(name).relative_to(folder).as_posix() for name in recordings.names]


def test_labels_are_the_names_of_folders(tmp_path):
    made = class_folder(tmp_path, [("right", 2), ("left", 3)])
    (tmp_path / "notes.txt").write_text("not in a folder")
    (tmp_path / "left" / ".DS_Store").write_text("hidden")
    recordings = load(tmp_path)
    assert recordings.class_names == ("left", "right") and recordings.num_classes == 2
    assert recordings.labels.tolist() == [0, 0, 0, 1, 1] and recordings.labels.dtype == np.int64
    assert relative(recordings, tmp_path) == sorted(made)
    for (events, label), name in zip(recordings, sorted(made), strict=True):
        assert events == made[name]
        assert recordings.class_names[label] == name.split("/")[0]


def test_classes_that_are_numbers_are_in_order_of_their_value(tmp_path):
    class_folder(tmp_path, [("10", 1), ("2", 1), ("0", 1)])
    recordings = load(tmp_path)
    assert recordings.class_names == ("0", "2", "10")
    assert recordings.labels.tolist() == [0, 2, 1]  # the files are in order of their names


def test_given_class_names(tmp_path):
    class_folder(tmp_path)
    names = ["up", "right", "left"]
    assert load(tmp_path, class_names=names).labels.tolist() == [2, 2, 2, 1, 1, 1]
    with pytest.raises(ValueError, match=r"right/0.bin: the label 'right' is not in class_names."):
        load(tmp_path, class_names=["left", "up"])
    with pytest.raises(ValueError, match=r"different strings. Received: class_names=a, a"):
        load(tmp_path, class_names=["a", "a"])


def test_other_placeholders_are_metadata(tmp_path):
    make_folder(tmp_path, NAMES)
    recordings = load(tmp_path, "{user}/{label}_{take}.bin")
    assert recordings.class_names == ("left", "right")
    assert recordings.metadata["user"].tolist() == ["anna", "anna", "ben"]
    assert recordings.metadata["take"].tolist() == ["1", "1", "1"]
    chosen = recordings[recordings.metadata["user"] == "anna"]
    assert relative(chosen, tmp_path) == NAMES[:2]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("{label}/*.bin", {"a/b.bin": "a"}),
        ("**/{label}.bin", {"a/b.bin": "b", "c.bin": "c", "a/d/e.bin": "e"}),
        (
            "**/{label}",
            {"a/b.bin": "b.bin", "c.bin": "c.bin", "a/d/e.bin": "e.bin", "cxbin": "cxbin"},
        ),
        ("a/**/{label}.bin", {"a/b.bin": "b", "a/d/e.bin": "e"}),
        ("{label}.bi?", {"c.bin": "c"}),
        ("{label}{rest}n", {"c.bin": "c", "cxbin": "c"}),
        ("{label}/**", {"a/b.bin": "a", "a/d/e.bin": "a"}),
        ("{label}/**/*.bin", {"a/b.bin": "a", "a/d/e.bin": "a"}),
    ],
)
def test_patterns(pattern, expected):
    regex = compile_pattern(pattern)
    matches = {name: regex.fullmatch(name) for name in ("a/b.bin", "c.bin", "a/d/e.bin", "cxbin")}
    assert {name: match["label"] for name, match in matches.items() if match} == expected


@pytest.mark.parametrize(
    "pattern", ["/x/*.bin", "../*.bin", "", "{la bel}/*", "{}/*", "{a}/{a}", "a**/*", 3]
)
def test_refused_patterns(pattern, tmp_path):
    class_folder(tmp_path)
    with pytest.raises(ValueError, match=r"Received: .*pattern="):
        load(tmp_path, pattern, labels=lambda path: "a")


def test_links_are_followed_and_circles_are_not(tmp_path):
    class_folder(tmp_path / "real", [("left", 1)])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "right").symlink_to(tmp_path / "real" / "left")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "real" / "left")
    (tmp_path / "real" / "left" / "circle").symlink_to(tmp_path / "real")
    (tmp_path / "data" / "self").symlink_to(tmp_path / "data")
    assert files_below(tmp_path / "data") == ["again/0.bin", "right/0.bin"]
    assert load(tmp_path / "data", "{label}/*.bin").class_names == ("again", "right")


def write_csv(folder, text, name="labels.csv"):
    (folder / name).write_text(text)
    return name


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_labels_from_a_csv(tmp_path, delimiter, mark):
    make_folder(tmp_path, NAMES)
    rows = [
        "user,file, label",
        "A,anna/left_1.bin,wave",
        r"A,anna\right_1.bin,clap",
        f"B,{tmp_path}/ben/left_1.bin,wave",
        "B,./left_9.bin,clap",
    ]
    table = write_csv(tmp_path, mark + "\n".join(rows).replace(",", delimiter))
    recordings = load(tmp_path, labels=table)
    assert relative(recordings, tmp_path) == NAMES
    assert recordings.class_names == ("clap", "wave")
    assert recordings.labels.tolist() == [1, 0, 1, 0]
    assert recordings.metadata["user"].tolist() == ["A", "A", "B", "B"]
    # The table may lie elsewhere, and a pattern may leave files out.
    table = write_csv(tmp_path.parent, (tmp_path / table).read_text(), "elsewhere.csv")
    again = load(tmp_path, "{folder}/right_*", labels=tmp_path.parent / table)
    assert again.labels.tolist() == [0] and again.metadata["folder"].tolist() == ["anna"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\na,b", r"must name the columns file and label.*\['file', 'class'\]"),
        ("file,label,start\na,b,1", r"both or none of start and stop"),
        ("file,label\n", r"lists no files"),
        ("file,label\nleft/0.bin", r"line 2: 2 columns expected"),
        ("file,label\nleft/0.bin,a,b", r"line 2: 2 columns expected"),
        ("file,label\nleft/0.bin,a\nleft/0.bin,a", r"line 3: the file is there twice"),
        ("file,label\nleft/7.bin,a", r"names 1 of 1 files .* left/7.bin. Looked for among 6 files"),
        ("file,label\n0.bin,a", r"0.bin stands for 2 files: left/0.bin, right/0.bin"),
        ("file,label,start,stop\nleft/0.bin,a,b,1", r"line 2: start must be .* start='b'"),
        ("file,label,start,stop\nleft/0.bin,a,2,1", r"must start before it stops.*\(2, 1, 'a'\)"),
        ("file,label\nleft/0.bin,a\n./left/0.bin,a", r"names a file in two ways: left/0.bin"),
        (
            "file,label,start,stop\nleft/0.bin,a,0,1\n./left/0.bin,a,1,2",
            r"names a file in two ways: left/0.bin",
        ),
        (
            "file,label,user,start,stop\nleft/0.bin,a,u,1,2\nleft/0.bin,a,v,2,3",
            r"line 3: further columns must be the same",
        ),
        ("file,label\nleft/0.bin,", r"0.bin: a label must be a class .* Received: label=''"),
    ],
)
def test_errors_of_a_csv(tmp_path, text, message):
    class_folder(tmp_path)
    with pytest.raises(ValueError, match=message):
        load(tmp_path, labels=write_csv(tmp_path, text))


def test_a_csv_says_which_files(tmp_path):
    make_folder(tmp_path, NAMES)
    recordings = load(tmp_path, labels=write_csv(tmp_path, f"file,label\n{NAMES[1]},clap\n"))
    assert relative(recordings, tmp_path) == [NAMES[1]]
    assert recordings.metadata == {}


def test_labels_from_a_mapping_or_a_function(tmp_path):
    make_folder(tmp_path, NAMES)
    mapping = {"anna/left_1.bin": 2, tmp_path / NAMES[1]: 0, "left_9.bin": np.int64(1)}
    recordings = load(tmp_path, labels=mapping)
    assert recordings.labels.tolist() == [2, 0, 1]  # integers stay as they are
    assert recordings.class_names == ("0", "1", "2")
    recordings = load(tmp_path, labels=lambda path: path.parent.name)
    assert recordings.class_names == ("anna", "ben", "old")
    assert len(load(tmp_path, "ben/*", labels=lambda path: "x")) == 1


@pytest.mark.parametrize(
    ("labels", "pattern", "message"),
    [
        (None, "*/*.bin", r"Where do the labels come from\? Put {label}.*pattern='\*/\*.bin'"),
        (lambda path: None, None, r"left/0.bin: a label must.*'unknown'. Received: label=None"),
        (lambda path: 1.5, None, r"left/0.bin: a label must.*Received: label=1.5"),
        (lambda path: -1, None, r"Received: label=-1"),
        (lambda path: path.stem if path.stem > "0" else 3, None, r"all strings or all integers"),
        (lambda path: "a", "{label}/*", r"not from both.*pattern='{label}/\*'"),
        (
            {"left/0.bin": "a"},
            "left/*",
            r"2 of 3 files have no label in labels: left/1.bin, left/2",
        ),
        ({"left/9.bin": "a"}, None, r"names 1 of 1 files that are not there: left/9.bin"),
        ({}, None, r"one file or more"),
        ({"only.bin": "a", "left/only.bin": "b"}, None, r"in two ways: left/only.bin"),
        (["a"], None, r"path of a CSV, a mapping .* or a function"),
    ],
)
def test_errors_of_labels(tmp_path, labels, pattern, message):
    class_folder(tmp_path)
    if isinstance(labels, dict) and "only.bin" in labels:
        make_folder(tmp_path, ["left/only.bin"])
    with pytest.raises(ValueError, match=message):
        load(tmp_path, pattern, labels=labels)


def test_errors_of_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such folder. Received: folder='.*nowhere'"):
        load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds no files. Received: folder='"):
        load(tmp_path)
    class_folder(tmp_path)
    message = r"No file matches. .* holds 6 files: left/0.bin, .*pattern='{label}/\*.raw'"
    with pytest.raises(FileNotFoundError, match=message):
        load(tmp_path, "{label}/*.raw")
    with pytest.raises(FileNotFoundError, match=r"no table of labels at .*labels='labels.csv'"):
        load(tmp_path, labels="labels.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reader": "aedat"}, "Received: reader='aedat'"),
        ({"cache": 3}, "Received: cache=3"),
        ({"on_error": "ignore"}, "Received: on_error='ignore'"),
        ({"sensor_shape": (3, 0)}, r"Received: sensor_shape=\(3, 0\)"),
        ({"downsample": (3,)}, r"Received: downsample=\(3,\)"),
        ({"downsample": (20, 31)}, r"at least that size: \(20, 30, 2\). .*downsample=\(20, 31\)"),
    ],
)
def test_errors_of_arguments(tmp_path, arguments, message):
    class_folder(tmp_path)
    with pytest.raises(ValueError, match=message):
        load(tmp_path, **arguments)


def test_a_class_too_few_in_the_test_set_is_named(tmp_path):
    class_folder(tmp_path, [("rare", 1), ("left", 4)])
    with pytest.warns(RecordingsWarning, match=r"class 'rare' \(1 in all\) is not in part [01]"):
        load(tmp_path).split(0.5)


def test_labels_of_arrays():
    events = {"x": [1], "t": [1]}
    recordings = from_arrays([events] * 3, ["b", "a", "b"])
    assert recordings.class_names == ("a", "b") and recordings.labels.tolist() == [1, 0, 1]
    recordings = from_arrays([events] * 2, np.array([3, 1]))
    assert recordings.num_classes == 4 and recordings.labels.tolist() == [3, 1]
    recordings = from_arrays([events] * 2, [1, 0], class_names=["off", "on"])
    assert recordings.class_names == ("off", "on") and recordings.labels.tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"Recording 1: the label 2 is not in class_names"):
        from_arrays([events] * 2, [1, 2], class_names=["off", "on"])


@pytest.mark.parametrize(
    ("recordings", "labels", "message"),
    [
        ({"x": [1], "t": [1]}, [0], r"list of recordings; for one, \[events\]. .*type dict"),
        (np.zeros((5, 4), int), [0], r"list of recordings.*type ndarray"),
        ([], [], r"1 or more. Received: 0 recordings and 0 labels"),
        ([{"x": [1], "t": [1]}], [0, 1], r"Received: 1 recordings and 2 labels"),
        ([{"x": [1], "t": [1]}, {"x": [1]}], [0, 1], r"Recording 1: .*Missing: t"),
    ],
)
def test_errors_of_arrays(recordings, labels, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(recordings, labels)


def test_arrays_of_columns_and_units():
    table = np.array([[1.0, 2.0, 0.5, -1.0], [3.0, 4.0, 0.25, 1.0]])
    recordings = from_arrays([table], ["a"], columns="xytp", time_unit="s", metadata={"day": ["1"]})
    events, label = recordings[0]
    # In order of time.
    assert events.x.tolist() == [3, 1] and events.t.tolist() == [250_000, 500_000] and label == 0
    assert events.polarity.tolist() == [1, 0]
    assert recordings.metadata["day"].tolist() == ["1"]
    with pytest.raises(ValueError, match="Received: 2 values of day for 1 recordings"):
        from_arrays([table], ["a"], columns="xytp", time_unit="s", metadata={"day": [1, 2]})
