"""Spiking Speech Commands (Cramer et al. 2022)."""
