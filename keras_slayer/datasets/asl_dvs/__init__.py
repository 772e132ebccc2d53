"""ASL-DVS (Bi et al. 2019)."""
