"""A Keras model as what it computes: layers in order, then synapses and neurons."""
