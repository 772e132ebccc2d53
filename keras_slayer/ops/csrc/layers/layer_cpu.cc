// The forward pass of a fused layer: the synapses sum a tile of steps into rows that stay in the
// cache, then the neurons step through it. Output: spikes and membrane [batch, steps, inner].
#include "layers/layer.h"
#include "neurons/forward_rows.h"
#include "synapses/synapse_rows.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// Adds the bias [size], repeated over the outputs of a step, to the outputs from `first` on.
template <class T, class A>
void add_bias(const T* bias, int64_t size, int64_t first, int64_t count, A* z) {
  if (size == 0) return;
  int64_t from = first % size;
  for (int64_t j = 0; j < count;) {
    const int64_t length = count - j < size - from ? count - j : size - from;
    A* __restrict to = z + j;
    KS_VECTOR_LOOP(i, length) to[i] = to[i] + load(bias[from + i]);
    j += length;
    from = 0;
  }
}

}  // namespace

void layer(Dtype dtype, const LayerArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Shape& shape = args.shape;
    const int64_t blocks = block_count(shape.inner, args.block);
    const Owned<SynapseRows<T>> synapse(new_synapse_rows<T>(args.synapse));
    const Owned<ForwardRows<T, uint8_t>> neuron(new_forward_rows<T, uint8_t>(args.neuron, args.block));
    const RowWriter<T> membrane(kBlock, args.stream);
    Rows<A> sums(kTile, args.block);
    for (int64_t item = begin; item < end; ++item) {
      const bool by_block = args.synapse.kind == SynapseKind::kMatmul;
      const int64_t sample = by_block ? item % shape.batch : item / blocks;
      const int64_t first = (by_block ? item / shape.batch : item % blocks) * args.block;
      const int64_t count = smaller(args.block, shape.inner - first);
      synapse->set_range(first, count);
      neuron->start(args.state, shape.inner, sample, first, count);
      for (int64_t start = 0; start < shape.steps; start += kTile) {
        const int64_t steps = shape.steps - start < kTile ? shape.steps - start : kTile;
        const int64_t frame = sample * shape.steps + start;
        for (int64_t t = 0; t < steps; ++t) {
          synapse->sum(frame + t, sums.row(t));
          add_bias(static_cast<const T*>(args.bias), args.bias_size, first, count, sums.row(t));
        }
        for (int64_t from = 0; from < count; from += kBlock) {
          const int64_t size = count - from < kBlock ? count - from : kBlock;
          for (int64_t t = 0; t < steps; ++t) {
            const int64_t at = (frame + t) * shape.inner + first + from;
            T* membrane_out = static_cast<T*>(args.membrane) + at;
            neuron->step(sums.row(t) + from, from, size, args.spikes + at,
                         membrane.start(membrane_out));
            membrane.done(membrane_out, size);
          }
        }
      }
      neuron->finish(args.state, shape.inner, sample, first, count);
    }
    if (!neuron->finite()) __atomic_store_n(args.not_finite, 1, __ATOMIC_RELAXED);
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
