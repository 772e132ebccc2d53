"""keras_slayer: spiking neural networks for Keras 3, trained with SLAYER, deployed to Loihi."""
