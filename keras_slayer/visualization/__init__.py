"""Pictures of event recordings, spike trains and learning curves, for notebooks and files.

Every function builds a `matplotlib.figure.Figure` of its own, or draws into what it is given, and
returns the figure: nothing here touches pyplot, its current figure or its backend, so it works in
threads, on servers and beside a user's own plots. matplotlib (the extra `keras_slayer[plot]`) is
imported when the first picture is drawn. ON events are blue and OFF events red, a pair that
colour-blind readers tell apart (Paul Tol's "vibrant" scheme).
"""

from keras_slayer.visualization.core_map import plot_core_map
from keras_slayer.visualization.delay_map import plot_delay_maps
from keras_slayer.visualization.figures import (
    plot_events,
    plot_history,
    plot_raster,
    summary_figure,
)
from keras_slayer.visualization.mistakes import plot_mistakes
from keras_slayer.visualization.spike_trains import plot_spike_trains

__all__ = [
    "plot_core_map",
    "plot_delay_maps",
    "plot_events",
    "plot_history",
    "plot_mistakes",
    "plot_raster",
    "plot_spike_trains",
    "summary_figure",
]
