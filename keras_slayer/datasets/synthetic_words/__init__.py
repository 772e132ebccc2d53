"""Synthetic words: spike trains of a cochlea that hears formants move."""
