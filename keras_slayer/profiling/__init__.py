"""Operations of a model, layer by layer, on data: before any export.

``walk`` finds the layers, ``kinds`` knows what each computes, ``synapses`` counts it, ``counting``
runs the model and adds up, and ``figures`` is what comes out.
"""

from keras_slayer.profiling.figures import LayerProfile, Profile
from keras_slayer.profiling.profiler import profile

__all__ = ["LayerProfile", "Profile", "profile"]
