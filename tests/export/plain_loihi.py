"""The chip's arithmetic once more, one Python integer at a time: an oracle without NumPy."""

from collections import defaultdict

from keras_slayer.export.graph import as_layer


def rsz(x: int, bits: int) -> int:
    """Shift right toward zero."""
    return (abs(x) >> bits) * (1 if x >= 0 else -1)


def neuron_step(u, v, z, bias, current_decay, voltage_decay, threshold_mantissa):
    """One step of one CUBA neuron: (u, v after reset, spike)."""
    u = rsz(u * (4096 - current_decay), 12) + (z << 6)
    if u > 2**23:
        u -= 2**24
    elif u <= -(2**23):
        u += 2**24
    v = rsz(v * (4096 - voltage_decay), 12) + u + (bias << 6)
    v = max(-(2**23) + 1, min(2**23 - 1, v))
    spike = v > (threshold_mantissa << 6)
    return u, (0 if spike else v), int(spike)


def run_neuron(sums, neuron, bias=0):
    """Lists of u, v and spikes of one neuron for its synaptic sums, step by step."""
    u = v = 0
    history = ([], [], [])
    for z in sums:
        u, v, s = neuron_step(
            u,
            v,
            z,
            bias,
            neuron.current_decay,
            neuron.voltage_decay,
            neuron.threshold_mantissa,
        )
        for values, value in zip(history, (u, v, s), strict=True):
            values.append(value)
    return history


def synapses(layer, shape, late=0):
    """Every synapse of a layer as (input, output, weight, delay), numbered in C order.

    ``late`` is the delay of a convolution.
    """
    if layer.type == "dense":
        inputs, outputs = layer.weight.shape
        for i in range(inputs):
            for o in range(outputs):
                delay = 0 if layer.delay is None else int(layer.delay[i, o])
                yield i, o, int(layer.weight[i, o]), delay
        return
    height, width, channels = shape
    out_height, out_width, filters = layer.output_shape(shape)
    kernel_height, kernel_width, share, _ = layer.weight.shape
    for oy in range(out_height):
        for ox in range(out_width):
            for f in range(filters):
                group = f // (filters // layer.groups)
                for ky in range(kernel_height):
                    for kx in range(kernel_width):
                        y = oy * layer.strides[0] - layer.padding[0] + ky * layer.dilation[0]
                        x = ox * layer.strides[1] - layer.padding[1] + kx * layer.dilation[1]
                        if not (0 <= y < height and 0 <= x < width):
                            continue
                        for c in range(share):
                            i = (y * width + x) * channels + group * share + c
                            o = (oy * out_width + ox) * filters + f
                            yield i, o, int(layer.weight[ky, kx, c, f]), late


def run_sample(network, spikes):
    """Runs one sample; spikes[t][i]. Returns (u, v, spikes, operations) of each neuron layer,
    where u, v, spikes are [neuron][step]."""
    results = []
    shape = network.input_shape
    for layer in network.layers:
        before, shape = shape, layer.output_shape(shape)
        if layer.type == "flatten":
            continue
        steps = len(spikes)
        size = 1
        for n in shape:
            size *= n
        sums = [[0] * steps for _ in range(size)]
        operations = 0
        for i, o, weight, delay in synapses(layer, before):
            for t in range(steps):
                if spikes[t][i] and t + 1 < steps:
                    operations += weight != 0
                    if t + 1 + delay < steps:
                        sums[o][t + 1 + delay] += weight
        runs = []
        for o in range(size):
            channel = o % shape[-1]
            bias = 0 if layer.bias is None else int(layer.bias[channel])
            runs.append(run_neuron(sums[o], layer.neuron, bias))
        u, v, s = ([run[k] for run in runs] for k in range(3))
        results.append((u, v, s, operations))
        spikes = [[s[o][t] for o in range(size)] for t in range(steps)]
    return results


def run_graph(graph, spikes):
    """Runs one sample of a graph step by step, all populations side by side.

    spikes[name][t][i] are those of the inputs. Returns (u, v, spikes, operations) by the names of
    the populations, where u, v, spikes are [neuron][step].
    """
    steps = len(next(iter(spikes.values())))
    wires = defaultdict(list)  # (source, element) -> what its spikes meet
    for target, population in graph.populations.items():
        for connection in population.connections:
            layer, shape = as_layer(connection.synapses, None), graph.shape(connection.source)
            late = connection.synapses.longest_delay
            for i, o, weight, delay in synapses(layer, shape, late):
                wires[connection.source, i].append((target, o, weight, delay))
    states = {name: [(0, 0)] * p.size for name, p in graph.populations.items()}
    arriving = defaultdict(int)  # (population, neuron, step) -> sum of weights
    operations = defaultdict(int)
    history = {name: [] for name in graph.populations}  # [step][neuron] -> (u, v, spike)
    for t in range(steps):
        sent = {name: series[t] for name, series in spikes.items()}
        for name, population in graph.populations.items():
            neuron = population.neuron
            row = []
            for o, (u, v) in enumerate(states[name]):
                bias = population.bias
                b = 0 if bias is None else int(bias[o % population.shape[-1]])
                z = arriving[name, o, t]
                row.append(
                    neuron_step(
                        u,
                        v,
                        z,
                        b,
                        neuron.current_decay,
                        neuron.voltage_decay,
                        neuron.threshold_mantissa,
                    )
                )
            history[name].append(row)
            states[name] = [(u, v) for u, v, _ in row]
            sent[name] = [s for _, _, s in row]
        if t + 1 == steps:
            break
        for name, row in sent.items():
            for i, s in enumerate(row):
                if s:
                    for target, o, weight, delay in wires[name, i]:
                        arriving[target, o, t + 1 + delay] += weight
                        operations[target] += weight != 0
    return {
        name: (
            *(
                [[row[o][k] for row in rows] for o in range(graph.populations[name].size)]
                for k in range(3)
            ),
            operations[name],
        )
        for name, rows in history.items()
    }
