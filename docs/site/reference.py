"""What the API reference lists, in the order in which a user looks for it.

Each group is a page of the site: its file, its title, a sentence, and the public names on it.
`tests/docs/test_site_reference.py` compares the names with the `__all__` of every module.
"""

from typing import NamedTuple


class Group(NamedTuple):
    file: str
    title: str
    about: str
    names: str  # separated by spaces, without the leading `keras_slayer.`

    @property
    def paths(self) -> list[str]:
        return [f"keras_slayer.{name}" for name in self.names.split()]


GROUPS = (
    Group(
        "layers",
        "Layers",
        "Tensors have the axes (batch, time, ..., channels).",
        "SpikingDense SpikingRecurrentDense SpikingConv2D SpikingRecurrentConv2D "
        "SpikingSumPooling2D SpikingActivation DelayLayer TemporalFilter WinnerTakeAll Flatten "
        "PerStep",
    ),
    Group(
        "neurons",
        "Neurons",
        "What a spiking layer takes as `neuron`. [Neurons](../neurons.md) helps to choose.",
        "SRM CUBA LoihiCUBA ALIF ResonateAndFire Learned neurons.Neuron neurons.Surrogate "
        "neurons.ResetCUBA neurons.get neurons.decay_from_tau neurons.HORIZON",
    ),
    Group(
        "losses",
        "Losses and metrics",
        "They compare output spikes with labels, counts or spike trains.",
        "SpikeMaxLoss FirstSpikeLoss SpikeCountLoss SpikeRateLoss SpikeTimeLoss "
        "SpikeCountAccuracy FirstSpikeAccuracy VanRossumDistance accuracy_over_time match_spikes "
        "SpikeMatches",
    ),
    Group(
        "training",
        "Training",
        "Callbacks, firing rates, and what else goes into `compile` and `fit`.",
        "SetFiringRates FiringRateMonitor FiringRateWarning SpikeRasterLogger RateInitializer "
        "set_firing_rates firing_rates rates.FiringRates rates.SetRate rates.spiking_layers "
        "ScaledAdam OwnChannel FluctuationDriven TruncatedTime",
    ),
    Group(
        "presets",
        "Trained networks",
        "They come with the package. [Trained networks](../papers.md#trained-networks) lists them.",
        "from_preset presets.available presets.Preset",
    ),
    Group(
        "distribute",
        "Many machines",
        "Training on several devices and machines, and input from others: [Scale](../scale.md).",
        "distribute.enable_multi_worker distribute.weigh_samples distribute.share_of_batch "
        "distribute.BackupAndRestore data_service.served",
    ),
    Group(
        "looking",
        "Looking inside",
        "What layers did, what they cost, and networks that run live.",
        "record profile Profile LayerProfile Stream",
    ),
    Group(
        "encoders",
        "Encoders",
        "Numbers as spikes: layers, and the same as functions.",
        "RateEncoder LatencyEncoder PopulationEncoder DeltaEncoder encoders.rate_spikes "
        "encoders.latency_spikes encoders.population_spikes encoders.delta_spikes "
        "encoders.reconstruct",
    ),
    Group(
        "events",
        "Events and recordings",
        "Recordings of event sensors, their labels, and the pipeline that bins them.",
        "events.Events events.spike_pipeline events.from_folder events.from_arrays "
        "events.from_generator events.Recordings events.as_events events.to_spikes "
        "events.from_spikes events.fit_frame events.random_shift events.check_time_step "
        "events.time_step events.EventTimeWarning events.TimeStepWarning events.RecordingError "
        "events.RecordingsWarning",
    ),
    Group(
        "files",
        "Event files",
        "Reading and writing. [Event files](../files.md) lists the formats.",
        "events.read_events events.write_events events.formats events.FormatInfo "
        "events.EventFileWarning events.read_aedat events.decode_aedat events.encode_aedat "
        "events.decode_bs1 events.encode_bs1 events.decode_bs3 events.encode_bs3 "
        "events.decode_nmnist events.encode_nmnist",
    ),
    Group(
        "transforms",
        "Transforms",
        "For `spike_pipeline(..., transforms=[...])`.",
        "events.transforms.Transform events.transforms.EventBatch events.transforms.Sequential "
        "events.transforms.RandomApply events.transforms.get events.transforms.Shift "
        "events.transforms.Rotate events.transforms.Zoom events.transforms.Flip "
        "events.transforms.SpaceJitter events.transforms.Crop events.transforms.CenterCrop "
        "events.transforms.RandomCrop events.transforms.Downsample events.transforms.TimeCrop "
        "events.transforms.RandomTimeCrop events.transforms.TimeJitter "
        "events.transforms.TimeScale events.transforms.DropEvents "
        "events.transforms.DropEventsByArea events.transforms.DropEventsByTime "
        "events.transforms.UniformNoise events.transforms.Denoise "
        "events.transforms.HotPixelFilter events.transforms.RefractoryPeriod "
        "events.transforms.FlipPolarity events.transforms.MergePolarities "
        "events.transforms.Mix",
    ),
    Group(
        "simulation",
        "Simulated cameras",
        "Video and pictures as events.",
        "events.simulate events.saccades events.EventCamera events.FrameRateWarning",
    ),
    Group(
        "datasets",
        "Data sets",
        "One line each; [Data sets](../datasets.md) says what they hold.",
        "datasets.available datasets.DatasetRecord datasets.load_nmnist "
        "datasets.load_n_caltech101 datasets.load_dvs_gesture datasets.load_cifar10_dvs "
        "datasets.load_n_cars datasets.load_asl_dvs datasets.load_dvs_lip datasets.load_shd "
        "datasets.load_ssc datasets.load_saccade_mnist datasets.load_synthetic_gestures "
        "datasets.load_synthetic_words datasets.saccades_of",
    ),
    Group(
        "pictures",
        "Pictures",
        "Each returns a figure of its own; `path=` writes it to a file.",
        "visualization.plot_events visualization.plot_frames visualization.animate_events "
        "visualization.EventAnimation visualization.plot_raster visualization.plot_traces "
        "visualization.plot_rates visualization.plot_layers visualization.plot_history "
        "visualization.plot_confusion visualization.plot_mistakes "
        "visualization.plot_delay_maps visualization.plot_spike_trains "
        "visualization.plot_core_map visualization.summary_figure",
    ),
    Group(
        "loihi",
        "Loihi and other tools",
        "`model.export_loihi(...)` is `export.export_loihi(model, ...)`.",
        "export.export_loihi export.LoihiReport export.LayerReport export.Calibration "
        "export.Mapping export.LoihiSimulator export.SimulationRecord export.LayerRecord "
        "export.to_loihi export.fold_normalization export.read_net export.from_net export.to_nir "
        "export.from_nir",
    ),
    Group(
        "serving",
        "Running elsewhere",
        "Without Keras, without Python, or on small devices: [Serving](../serving.md).",
        "export.export_saved_model export.export_tflite export.write_flat export.include_path",
    ),
    Group(
        "xylo",
        "Xylo",
        "SynSense's chip: neurons, layers, export and simulator.",
        "export.XyloLIF export.XyloDense export.XyloRecurrentDense export.export_xylo "
        "export.XyloReport export.XyloSimulator",
    ),
    Group(
        "ops",
        "Functions of tensors",
        "What layers compute, as differentiable functions, and which kernels run.",
        "ops.spike_matmul ops.spike_conv2d ops.sum_pool2d ops.srm ops.srm_fir ops.cuba "
        "ops.loihi_cuba ops.response ops.fire ops.fire_recurrent ops.delay ops.alpha_filter "
        "ops.exponential_filter ops.temporal_filter ops.alpha_kernel ops.backend ops.load "
        "ops.library_path ops.explain",
    ),
)

# Names that mean something else as well, where they are in backticks.
AMBIGUOUS = {
    *("Flatten", "Sequential", "cuba", "delay", "fire", "formats", "get", "load", "profile"),
    *("record", "response", "srm"),
}
_PUBLIC = {path.removeprefix("keras_slayer."): path for group in GROUPS for path in group.paths}
_SHORT = {name.rpartition(".")[2]: path for name, path in _PUBLIC.items() if "." in name}
# What a name in backticks leads to: `SRM`, `events.Events`, `Events`.
LINKS = {k: v for k, v in (_SHORT | _PUBLIC).items() if k not in AMBIGUOUS}
