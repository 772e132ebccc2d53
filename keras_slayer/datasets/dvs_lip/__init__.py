"""DVS-Lip (Tan et al. 2022)."""
