"""Running a network in the chip's integers."""
