"""Found instead of matplotlib by processes that draw nothing: for Keras to load it takes 0.6 s."""

raise ImportError("matplotlib is left out here, to be quick")
