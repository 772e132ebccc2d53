"""`python -m keras_slayer.data_service`: every sample once, and what a lost worker costs."""

import collections
import pathlib
import re
import signal
import socket
import subprocess
import sys

import keras
import pytest
import tensorflow as tf
from networks import WITHOUT_DRAWING

import keras_slayer as ks
from keras_slayer.data_service import served
from keras_slayer.data_service.__main__ import main
from keras_slayer.distribute import launch
from keras_slayer.events import Events, from_arrays, spike_pipeline

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "layers"))
from layer_cases import subprocess_environment

SAMPLES, STEPS = 60, 64


class Service:
    """A dispatcher and two workers, each at a port that is kept for it."""

    def __init__(self):
        self.all = []
        *self.ports, dispatcher = self.reserved = [launch._reserve() for _ in range(3)]
        self.port = str(dispatcher.getsockname()[1])
        self.address = f"grpc://localhost:{self.port}"

    def start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_slayer.data_service", *arguments],
            env=subprocess_environment(WITHOUT_DRAWING),
            stdout=subprocess.PIPE,
            text=True,
        )
        self.all.append(process)
        return process

    def start_worker(self, number):
        port = str(self.ports[number].getsockname()[1])
        options = ("--host", "localhost", "--port", port, "--timeout", "300")
        return self.start("worker", "--dispatcher", self.address, *options)

    def end(self):
        for process in self.all:
            process.kill()
            process.communicate()
        for port in self.reserved:
            port.close()


def wait_for(worker):
    assert worker.stdout.readline() == f"worker ready, with {ks.ops.backend()} ops\n"


@pytest.fixture(scope="module")
def service():
    service = Service()
    try:
        # Side by side: workers wait for their dispatcher.
        service.dispatcher = service.start("dispatcher", "--port", service.port)
        service.workers = [service.start_worker(number) for number in range(2)]
        ready = service.dispatcher.stdout.readline()
        assert ready == f"dispatcher ready at {service.address}\n"
        for worker in service.workers:
            wait_for(worker)
        yield service
    finally:
        service.end()


def recordings(work=0):
    """Recording n has events at n, n + 1, ... ms, on one of two pixels; its label is n.

    Args:
        work: products of matrices that each one takes to make.
    """

    def make(number):
        busy = tf.random.stateless_uniform([256, 256], [1, 2])
        for _ in range(work):
            busy = busy @ busy * 1e-2
        late = tf.cast(0 * tf.reduce_sum(tf.cast(tf.math.is_nan(busy), tf.float32)), tf.int64)
        t = tf.range(number % STEPS, STEPS, dtype=tf.int64) * 1000 + late
        x = tf.cast(tf.fill(tf.shape(t), number % 2), tf.uint8)
        events = {"x": x, "y": tf.zeros_like(x), "t": t, "polarity": tf.zeros_like(x)}
        return {k: tf.ensure_shape(v, [None]) for k, v in events.items()}, number

    return tf.data.Dataset.range(SAMPLES).map(make)


def pipeline(work=0, batch_size=4, **options):
    options = {"cache": False, "late": "ignore", **options}
    shape = {"sensor_shape": (1, 2, 1), "steps": STEPS}
    return spike_pipeline(recordings(work), batch_size=batch_size, **shape, **options)


def ids(batches):
    """How often each sample came; its spikes are looked at too."""
    found = collections.Counter()
    for spikes, labels in batches:
        first = tf.argmax(tf.reduce_max(spikes, axis=[2, 3, 4]), axis=1)
        assert first.numpy().tolist() == [label % STEPS for label in labels.numpy()]
        found.update(labels.numpy().tolist())
    return found


EVERY_ONE = collections.Counter(range(SAMPLES))


def test_every_sample_once_in_each_of_two_epochs(service):
    """Binned by the workers' native ops, shuffled, with transforms, and for two readers."""
    address = service.address
    batches = served(pipeline(work=2, shuffle=20), address)
    assert batches.element_spec[0].shape == (None, STEPS, 1, 2, 1)
    for _ in range(2):
        assert ids(batches) == EVERY_ONE
    moved = served(pipeline(work=2, transforms=ks.events.transforms.Shift(0)), address)
    assert ids(moved) == EVERY_ONE
    # Two readers of one job, in turn.
    readers = [iter(served(pipeline(work=2), address, job_name="shared")) for _ in range(2)]
    found = [collections.Counter(), collections.Counter()]
    left = [0, 1]
    while left:
        for reader in [*left]:
            batch = next(readers[reader], None)
            if batch is None:
                left.remove(reader)
            else:
                found[reader] += ids([batch])
    assert found[0] + found[1] == EVERY_ONE and all(found)


def test_a_model_trains_on_it(service):
    address = service.address
    layers = [ks.Flatten(), ks.SpikingDense(SAMPLES)]
    model = keras.Sequential([keras.Input((STEPS, 1, 2, 1)), *layers])
    model.compile(ks.ScaledAdam(), ks.SpikeMaxLoss())
    with pytest.warns(UserWarning, match="ran out of data"):  # it has no length
        model.fit(served(pipeline(), address), epochs=1, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) >= SAMPLES // 4


def test_refuses_what_workers_cannot_have():
    events = [Events(x=[0], y=[0], t=[0])] * 3
    own = from_arrays(events, [0, 1, 2], sensor_shape=(1, 2))
    plain = {"steps": 5, "batch_size": 1, "cache": False, "late": "ignore"}
    for made, message in [
        (spike_pipeline(own, **plain), "a Python function.* Of a pipeline of Recordings"),
        (pipeline(late="drop"), 'a Python function.*late="ignore"'),
        (pipeline(cache=True), r"a cache.*\(cache=False\)"),
    ]:
        with pytest.raises(ValueError, match=rf"Workers cannot make a data set with {message}"):
            served(made, "localhost:1")
    wrong = [(pipeline(), service, "service") for service in ("", None, "host", "http://host:1")]
    for dataset, address, name in [([1], "localhost:1", "dataset"), *wrong]:
        with pytest.raises(ValueError, match=rf"{name} must be .*Received: {name}="):
            served(dataset, address)


def test_a_dispatcher_that_does_not_answer_is_named(monkeypatch):
    """TensorFlow waits for one, and says nothing."""
    service = tf.data.experimental.service
    monkeypatch.setattr(service, "distribute", lambda *_, **__: lambda dataset: dataset)
    with launch._reserve() as nobody:
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.warns(UserWarning, match=rf"No dispatcher answers at {address} .*refused"):
            served(pipeline(), address)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dispatcher", "--port", "65536"], "--port: should be 0 to 65535. Received: '65536'"),
        (
            ["worker", "--dispatcher", "host"],
            "--dispatcher: should be .HOST:PORT.*Received: 'host'",
        ),
        (["worker", "--dispatcher", "host:0"], "should be .HOST:PORT.*Received: 'host:0'"),
        (["worker", "--dispatcher", "a:1", "--timeout", "nan"], "at most 1e.06. Received: 'nan'"),
    ],
)
def test_wrong_arguments(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert re.search(message, capsys.readouterr().err)


def test_a_port_in_use_and_a_dispatcher_that_is_not_there(capsys):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with socket.socket() as taken, launch._reserve() as nobody:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["dispatcher", "--port", port]) == 1
        assert f"; is port {port} in use?" in capsys.readouterr().err
        address = f"localhost:{nobody.getsockname()[1]}"
        assert main(["worker", "--dispatcher", address, "--timeout", "0.3"]) == 1
        assert f"no dispatcher at {address} within 0.3 s (--timeout): " in capsys.readouterr().err
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)


def test_a_worker_ends_while_it_waits_for_an_answer():
    """TensorFlow's own wait for the dispatcher lets no handler of Python run."""
    with socket.socket() as silent:
        silent.bind(("localhost", 0))
        silent.listen()
        role = ("worker", "--dispatcher", f"localhost:{silent.getsockname()[1]}")
        worker = subprocess.Popen(
            [sys.executable, "-m", "keras_slayer.data_service", *role],
            env=subprocess_environment(WITHOUT_DRAWING),
        )
        try:
            for _ in range(2):  # whether it is there, and TensorFlow's
                silent.accept()[0].close()
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == -signal.SIGTERM
        finally:
            worker.kill()
            worker.wait()


def test_a_killed_worker_costs_this_epoch_some_samples_and_none_comes_twice(service):
    """At most once in the epoch of the kill, which goes on when the worker is there again, at the
    same address; the next epoch is whole. The last test of this file: it ends the service."""
    batches = served(pipeline(work=20, batch_size=2), service.address)
    reading = iter(batches)
    found = ids([next(reading), next(reading)])
    killed = service.workers[1]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    service.workers[1] = service.start_worker(1)
    found += ids(reading)
    assert max(found.values()) == 1 and found <= EVERY_ONE
    assert len(found) >= SAMPLES // 4
    wait_for(service.workers[1])
    assert ids(batches) == EVERY_ONE
    for process in (*service.workers, service.dispatcher):
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
