// The backward pass of fused layers: neurons, then transposed synapses or the gradient of the
// weights, one tile of steps after the other, backwards in time.
#include "neurons/backward_rows.h"
#include "synapses/transposed_conv.h"
#include "layers/grad_rows.h"
#include "synapses/synapse_rows.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// The backward pass of the neurons [first, first + count) for a tile: `frame` and the steps before
// it. Writes lambda and, if dz is not null, dz. dz may be the same rows as lambda. Row i of the
// results belongs to frame - i.
template <class T, class A>
void backward_tile(const Shape& shape, GradRows<T>* grads, const void* membranes, int64_t frame,
                  int64_t steps, int64_t first, int64_t count, BackwardRows<T, A>* neuron,
                  const Rows<A>& lambda, const Rows<A>* dz) {
  const int64_t block = grads->block();
  grads->read(frame, steps);
  for (int64_t from = 0; from < count; from += block) {
    const int64_t size = count - from < block ? count - from : block;
    grads->set_range(first + from, size);
    for (int64_t i = 0; i < steps; ++i) {
      const T* membrane =
          static_cast<const T*>(membranes) + (frame - i) * shape.inner + first + from;
      // The next rows: of this block of neurons, then of the next block.
      if (i + kAhead < steps) {
        grads->prefetch(frame - i - kAhead, false);
        prefetch_row(membrane - kAhead * shape.inner, size);
      } else {
        grads->prefetch(frame - i + steps - kAhead, true);
        prefetch_row(membrane + (steps - kAhead) * shape.inner + block, size);
      }
      A* row = lambda.row(i) + from;
      const A* grad = grads->row(frame - i, row);
      if (dz == &lambda) {
        neuron->step(grad, membrane, from, size, row);
      } else {
        neuron->drive(grad, membrane, from, size, row);
        if (dz != nullptr) neuron->filter(row, from, size, dz->row(i) + from);
      }
    }
  }
}

// Applies the neurons' filter to a row of gradients and writes the result to memory.
template <class T, class A>
void write_filtered(BackwardRows<T, A>* neuron, A* row, int64_t size, T* out,
                    const RowWriter<T>& writer) {
  neuron->filter(row, 0, size, row);
  write_row(row, size, out, writer);
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
    const Owned<BackwardRows<T, A>> neuron(
        new_backward_rows<T, A>(args.neuron, args.block, args.block));
    GradRows<T> grads(args.grad, shape);
    const Rows<A> dz(kTile, args.block);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = (item % blocks) * args.block;
      const int64_t rest = shape.inner - first, count = rest < args.block ? rest : args.block;
      const int64_t sample = (item / blocks) * args.samples;
      const int64_t last =
          sample + args.samples < shape.batch ? sample + args.samples : shape.batch;
      A* partial = static_cast<A*>(args.partial) + item * weights;
      clear(partial, weights);
      synapse.set_range(first, count);
      for (int64_t b = sample; b < last; ++b) {
        neuron->reset(first, count, count);
        grads.reset(first, count);
        for (int64_t past = shape.steps; past > 0; past -= kTile) {
          const int64_t steps = past < kTile ? past : kTile, frame = b * shape.steps + past - 1;
          backward_tile(shape, &grads, args.membrane, frame, steps, first, count, neuron.get(), dz,
                       &dz);
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
    const Owned<TransposedRows<A>> synapse(
        pool ? static_cast<TransposedRows<A>*>(new TransposedPool<A>(args.pool))
             : new TransposedConv<A>(args.conv, static_cast<const A*>(args.weights)));
    // The filter may run before or after the transposed synapse. For a pool it runs before, on the
    // smaller side. For a convolution it runs after, because lambda is sparse and dz is not; but not
    // if channels have filters of their own.
    const bool before = pool || args.neuron.rows != nullptr;
    const Owned<BackwardRows<T, A>> neuron(new_backward_rows<T, A>(
        args.neuron, shape.inner, before ? shape.inner : args.band * args.in_row));
    GradRows<T> grads(args.grad, shape);
    const Rows<A> outputs(kTile, shape.inner);
    const Rows<A> inputs(1, args.band * args.in_row + TransposedRows<A>::kSlack / int64_t(sizeof(A)));
    const RowWriter<T> result(args.band * args.in_row, args.stream);
    A* dx = inputs.row(0);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t sample = item / bands, top = (item % bands) * args.band;
      const int64_t bottom = top + args.band < args.in_rows ? top + args.band : args.in_rows;
      synapse->set_range(top, bottom);
      const int64_t first = synapse->first_row() * out_row;
      const int64_t last = synapse->last_row() * out_row;
      const int64_t count = last > first ? last - first : 0, size = (bottom - top) * args.in_row;
      neuron->reset(first, count, before ? count : size);
      grads.reset(first, count);
      for (int64_t past = shape.steps; past > 0; past -= kTile) {
        const int64_t steps = past < kTile ? past : kTile;
        const int64_t frame = sample * shape.steps + past - 1;
        backward_tile(shape, &grads, args.membrane, frame, steps, first, count, neuron.get(),
                     outputs, before ? &outputs : nullptr);
        for (int64_t i = 0; i < steps; ++i) {
          T* out = static_cast<T*>(args.grad_in) +
                   ((frame - i) * args.in_rows + top) * args.in_row;
          synapse->apply(outputs.row(i), dx);
          before ? write_row(dx, size, out, result)
                 : write_filtered(neuron.get(), dx, size, out, result);
        }
      }
    }
  });
}

// conv_weights_grad and layer_input_grad in one pass: reads memory once and computes lambda once.
// Sums in the same order as these two.
void conv_grad(Dtype dtype, const ConvGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvWeightsGradArgs& w = args.weights;
    const LayerInputGradArgs& in = args.input;
    const Shape& shape = w.shape;
    const ConvGeometry& g = w.geometry;
    const int64_t blocks = block_count(shape.inner, w.block), size = in.in_rows * in.in_row;
    const int64_t weights = g.kernel_height * g.kernel_width * (g.channels / g.groups) * g.filters;
    ConvRows<T> synapse(w.events, g, nullptr);
    TransposedConv<A> transposed(g, static_cast<const A*>(in.weights));
    transposed.set_range(0, in.in_rows);
    const int64_t first = transposed.first_row() * (shape.inner / in.out_rows);
    const Owned<BackwardRows<T, A>> neuron(
        new_backward_rows<T, A>(w.neuron, shape.inner, shape.inner));
    const bool before = w.neuron.rows != nullptr;  // channels have filters of their own
    const Owned<BackwardRows<T, A>> after(
        before ? nullptr : new_backward_rows<T, A>(w.neuron, 0, size));
    GradRows<T> grads(w.grad, shape);
    const Rows<A> lambda(args.tile, shape.inner), dz(args.tile, shape.inner);
    const Rows<A> inputs(1, size + TransposedRows<A>::kSlack / int64_t(sizeof(A)));
    const RowWriter<T> result(size, in.stream);
    A* dx = inputs.row(0);
    for (int64_t item = begin; item < end; ++item) {
      A* partial = static_cast<A*>(w.partial) + item * blocks * weights;
      clear(partial, blocks * weights);
      const int64_t past_sample = (item + 1) * w.samples;
      for (int64_t b = item * w.samples; b < past_sample && b < shape.batch; ++b) {
        neuron->reset(0, shape.inner, shape.inner);
        if (!before) after->reset(0, 0, size);
        grads.reset(0, shape.inner);
        for (int64_t past = shape.steps; past > 0; past -= args.tile) {
          const int64_t steps = smaller(past, args.tile), frame = b * shape.steps + past - 1;
          backward_tile(shape, &grads, w.membrane, frame, steps, 0, shape.inner, neuron.get(),
                       lambda, &dz);
          for (int64_t block = 0; block < blocks; ++block) {
            const int64_t start = block * w.block;
            synapse.set_range(start, smaller(w.block, shape.inner - start));
            for (int64_t i = 0; i < steps; ++i) {
              synapse.collect(frame - i, dz.row(i) + start, partial + block * weights);
            }
          }
          for (int64_t i = 0; i < steps; ++i) {
            T* out = static_cast<T*>(in.grad_in) + (frame - i) * size;
            transposed.apply((before ? dz : lambda).row(i) + first, dx);
            before ? write_row(dx, size, out, result)
                   : write_filtered(after.get(), dx, size, out, result);
          }
        }
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
