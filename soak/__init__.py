"""A soak: what must go on for hours, for a while, with everything that goes wrong meanwhile.

``python -m soak --minutes 30`` (``make soak``) runs the parts one after the other, each in a
process of its own, and writes a report. A part is a module with ``run(seconds, folder)``, which
returns its figures; what must not be is in their list "failures".
"""
