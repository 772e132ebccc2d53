"""The GPU kernels of ``csrc/gpu``: compiled on the user's machine and given to the op library."""
