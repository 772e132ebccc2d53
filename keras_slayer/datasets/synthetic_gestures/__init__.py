"""Synthetic gestures: event patterns that move as in the classes of DVS128 Gesture."""
