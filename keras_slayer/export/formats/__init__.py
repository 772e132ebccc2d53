"""Files that hold a network, and how they are written and read."""
