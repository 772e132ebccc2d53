"""For programs in C++: networks as flat files, and where the simulator's headers are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from keras_slayer import files
from keras_slayer.export.formats import flat
from keras_slayer.export.graph import IntegerGraph, graph_of
from keras_slayer.export.network import IntegerNetwork
from keras_slayer.export.simulation.simulator import read_file


def write_flat(
    network: str | os.PathLike | IntegerNetwork | IntegerGraph,
    path: str | os.PathLike,
    input_shape: Sequence[int] | None = None,
    format: str | None = None,
) -> None:
    """Writes an exported network as a flat file, for programs in C++ (``examples/cpp``).

    The file holds the network in the chip's integers, as ``.net`` and ``.nir`` files do, but a
    reader needs no library. ``network_file.h`` in ``include_path()`` reads it, checks all of it and
    describes the format. The simulator's core, ``live.h`` beside it, runs it with the same spikes
    as ``LoihiSimulator``.

    Args:
        network: a ``.net`` or ``.nir`` file, as ``model.export_loihi`` writes them, or what
            ``LoihiSimulator(...).network`` is.
        path: the file to write, by custom ``NAME.ksn``; it is replaced.
        input_shape: as for ``LoihiSimulator``, where a ``.net`` file does not say it.
        format: of the file ``network``, as for ``LoihiSimulator``; default: its suffix.

    Raises:
        FileNotFoundError, ValueError: as ``LoihiSimulator``; and weights, delays or sizes beyond
            the chip's.

    Example:

    >>> model.export_loihi("network.net")
    >>> keras_slayer.export.write_flat("network.net", "network.ksn")
    """
    if not isinstance(network, IntegerNetwork | IntegerGraph):
        source = Path(network)
        network = read_file(source, input_shape, format)
        if Path(path).exists() and source.samefile(path):
            raise ValueError(f"path must not be the network's own file. Received: {str(path)!r}")
    elif input_shape is not None or format is not None:
        raise ValueError(
            "input_shape and format are for files: a network says them. "
            f"Received: input_shape={input_shape!r}, format={format!r}"
        )
    graph = network if isinstance(network, IntegerGraph) else graph_of(network)
    files.write_whole(path, flat.to_bytes(graph))


def include_path() -> str:
    """The folder with the headers of the simulator's core, for a compiler's ``-I``.

    ``network.h``, ``live.h`` and ``network_file.h`` need a compiler of C++17 and nothing else, no
    Python among it.
    """
    return str(Path(__file__).parent / "csrc")
