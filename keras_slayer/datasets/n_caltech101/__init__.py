"""N-Caltech101 (Orchard et al. 2015)."""
