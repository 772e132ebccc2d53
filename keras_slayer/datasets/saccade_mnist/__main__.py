"""Prints the figures of simulated and real recordings side by side."""

import argparse

from keras_slayer.datasets.saccade_mnist import calibration


def main(arguments=None) -> None:
    """The command line: `python -m keras_slayer.datasets.saccade_mnist --help`."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_slayer.datasets.saccade_mnist", description=__doc__
    )
    parser.add_argument("--samples", type=int, default=500, help="recordings (default: 500)")
    parser.add_argument(
        "--nmnist",
        metavar="FOLDER",
        help="measure the real ones in this folder's Train.zip; otherwise figures measured before",
    )
    options = parser.parse_args(arguments)
    if options.samples < 1:
        parser.error(f"--samples must be at least 1. Received: {options.samples}")
    reference = calibration.NMNIST
    if options.nmnist is not None:
        reference = calibration.statistics(calibration.real(options.nmnist, options.samples))
    simulation = calibration.statistics(calibration.simulated(options.samples))
    print(calibration.table(simulation, reference))


if __name__ == "__main__":
    main()
