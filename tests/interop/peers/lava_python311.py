"""Lets lava, written for Python 3.10, be imported in 3.11: import this first.

lava uses dataclass instances as field defaults, which Python 3.11 refuses: it takes an unhashable
default for a mutable one. With a hash they pass.
"""

import dataclasses

_make_dataclass = dataclasses.dataclass


def _dataclass(cls=None, /, **options):
    def decorate(cls):
        cls = _make_dataclass(cls, **options)
        if cls.__hash__ is None:
            cls.__hash__ = object.__hash__
        return cls

    return decorate if cls is None else decorate(cls)


dataclasses.dataclass = _dataclass
