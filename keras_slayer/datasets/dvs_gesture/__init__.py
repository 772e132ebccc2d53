"""DVS128 Gesture (Amir et al. 2017)."""
