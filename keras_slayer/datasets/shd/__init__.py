"""Spiking Heidelberg Digits (Cramer et al. 2022)."""
