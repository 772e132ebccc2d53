"""Networks of other neurons as networks of the chip's."""
