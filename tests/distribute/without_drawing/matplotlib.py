"""Found instead of matplotlib by processes that draw nothing: Keras loads it, in half a second."""

raise ImportError("matplotlib is left out here, to be quick")
