"""N-MNIST (Orchard et al. 2015)."""
