// The way back through neurons and synapses of a layer in one pass.
#include "adjoint_rows.h"
#include "spread_rows.h"
#include "synapse_rows.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// dz, or lambda alone, of a tile of steps: the one of `frame` and those before it.
// Row i of the result belongs to frame - i.
template <class T, class A>
void adjoint_tile(const Shape& shape, const void* grads, const void* membranes, int64_t frame,
                  int64_t steps, int64_t first, int64_t count, bool filtered,
                  AdjointRows<T>* neuron, const Rows<A>& rows) {
  for (int64_t from = 0; from < count; from += kBlock) {
    const int64_t size = count - from < kBlock ? count - from : kBlock;
    for (int64_t i = 0; i < steps; ++i) {
      const int64_t at = (frame - i) * shape.inner + first + from;
      const T* grad = static_cast<const T*>(grads) + at;
      const T* membrane = static_cast<const T*>(membranes) + at;
      // The rows that come next: of this block of neurons, then of the next one.
      const int64_t ahead = i + kAhead < steps ? -kAhead * shape.inner
                                               : (steps - kAhead) * shape.inner + kBlock;
      prefetch_row(grad + ahead, size);
      prefetch_row(membrane + ahead, size);
      A* row = rows.row(i) + from;
      filtered ? neuron->step(grad, membrane, from, size, row)
               : neuron->drive(grad, membrane, from, size, row);
    }
  }
}

}  // namespace

void conv_weights_grad(Dtype dtype, const ConvWeightsGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Shape& shape = args.shape;
    const ConvGeometry& g = args.geometry;
    const int64_t blocks = block_count(shape.inner, args.block);
    const int64_t weights = g.kernel_height * g.kernel_width * (g.channels / g.groups) * g.filters;
    ConvRows<T> synapse(args.events, g, nullptr);
    const Owned<AdjointRows<T>> neuron(new_adjoint_rows<T>(args.neuron, args.block, args.block));
    const Rows<A> dz(kTile, args.block);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = (item % blocks) * args.block;
      const int64_t rest = shape.inner - first, count = rest < args.block ? rest : args.block;
      const int64_t sample = (item / blocks) * args.samples;
      const int64_t last =
          sample + args.samples < shape.batch ? sample + args.samples : shape.batch;
      A* partial = static_cast<A*>(args.partial) + item * weights;
      clear(partial, weights);
      synapse.aim(first, count);
      for (int64_t b = sample; b < last; ++b) {
        neuron->reset(count, count);
        for (int64_t past = shape.steps; past > 0; past -= kTile) {
          const int64_t steps = past < kTile ? past : kTile, frame = b * shape.steps + past - 1;
          adjoint_tile(shape, args.grad, args.membrane, frame, steps, first, count, true,
                       neuron.get(), dz);
          for (int64_t i = 0; i < steps; ++i) synapse.collect(frame - i, dz.row(i), partial);
        }
      }
    }
  });
}

void layer_input_grad(Dtype dtype, const LayerInputGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Shape& shape = args.shape;
    const bool pool = args.weights == nullptr;
    const int64_t bands = block_count(args.in_rows, args.band);
    const int64_t out_row = shape.inner / args.out_rows;
    const Owned<SpreadRows<A>> synapse(
        pool ? static_cast<SpreadRows<A>*>(new PoolSpread<A>(args.pool))
             : new ConvSpread<A>(args.conv, static_cast<const A*>(args.weights)));
    // The filter may act on either side of the synapse: a pool's output is the
    // smaller one; before a convolution lambda is sparse, and dz is not.
    const Owned<AdjointRows<T>> neuron(new_adjoint_rows<T>(
        args.neuron, shape.inner, pool ? shape.inner : args.band * args.in_row));
    const Rows<A> outputs(kTile, shape.inner);
    const Rows<A> inputs(1, args.band * args.in_row + SpreadRows<A>::kSlack / int64_t(sizeof(A)));
    const RowWriter<T> result(args.band * args.in_row, args.stream);
    A* dx = inputs.row(0);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t sample = item / bands, top = (item % bands) * args.band;
      const int64_t bottom = top + args.band < args.in_rows ? top + args.band : args.in_rows;
      synapse->aim(top, bottom);
      const int64_t first = synapse->first_row() * out_row;
      const int64_t last = synapse->last_row() * out_row;
      const int64_t count = last > first ? last - first : 0, size = (bottom - top) * args.in_row;
      neuron->reset(count, pool ? count : size);
      for (int64_t past = shape.steps; past > 0; past -= kTile) {
        const int64_t steps = past < kTile ? past : kTile;
        const int64_t frame = sample * shape.steps + past - 1;
        adjoint_tile(shape, args.grad, args.membrane, frame, steps, first, count, pool,
                     neuron.get(), outputs);
        for (int64_t i = 0; i < steps; ++i) {
          T* out = static_cast<T*>(args.grad_in) +
                   ((frame - i) * args.in_rows + top) * args.in_row;
          T* target = result.start(out);
          A* wide = dx;
          if constexpr (sizeof(T) == sizeof(A)) wide = target;
          synapse->spread(outputs.row(i), pool ? wide : dx);
          if (!pool) neuron->filter(dx, 0, size, wide);
          if constexpr (sizeof(T) != sizeof(A)) {
            KS_VECTOR_LOOP(j, size) store(&target[j], dx[j]);
          }
          result.done(out, size);
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
