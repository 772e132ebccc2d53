"""CIFAR10-DVS (Li et al. 2017)."""
