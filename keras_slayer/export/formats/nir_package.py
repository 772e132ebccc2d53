"""The package ``nir``, or an error that says how to get it."""

try:
    import nir
except ImportError as error:
    raise ImportError(
        f".nir files need the package nir, which cannot be loaded: {error}. Install it with "
        "`pip install nir`."
    ) from error

__all__ = ["nir"]
