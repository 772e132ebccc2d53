"""Pictures of event recordings, spike trains and learning curves, for notebooks and files.

Every function builds a `matplotlib.figure.Figure` of its own, or draws into what it is given, and
returns the figure: nothing here touches pyplot, its current figure or its backend, so it works in
threads, on servers and beside a user's own plots. With `path=` it also writes a file, .png, .svg or
.pdf, whole or not at all. matplotlib (the extra `keras_slayer[plot]`) is imported when the first
picture is drawn. ON events are blue and OFF events red, a pair that colour-blind readers tell apart
and that differs in lightness.
"""

from keras_slayer.visualization.animation import EventAnimation, animate_events
from keras_slayer.visualization.confusion import plot_confusion
from keras_slayer.visualization.core_map import plot_core_map
from keras_slayer.visualization.delay_map import plot_delay_maps
from keras_slayer.visualization.events import plot_events
from keras_slayer.visualization.frames import plot_frames
from keras_slayer.visualization.history import plot_history
from keras_slayer.visualization.layers import plot_layers
from keras_slayer.visualization.mistakes import plot_mistakes
from keras_slayer.visualization.raster import plot_raster
from keras_slayer.visualization.rates import plot_rates
from keras_slayer.visualization.spike_trains import plot_spike_trains
from keras_slayer.visualization.summary import summary_figure
from keras_slayer.visualization.traces import plot_traces

__all__ = [
    "EventAnimation",
    "animate_events",
    "plot_confusion",
    "plot_core_map",
    "plot_delay_maps",
    "plot_events",
    "plot_frames",
    "plot_history",
    "plot_layers",
    "plot_mistakes",
    "plot_raster",
    "plot_rates",
    "plot_spike_trains",
    "plot_traces",
    "summary_figure",
]
