// The loop over time of neurons that feed each other by a convolution. Forward, each spike adds the
// weights that it meets. Backward, the transposed convolution of all gradients.
#include "neurons/backward_rows.h"
#include "neurons/forward_rows.h"
#include "recurrent/fired.h"
#include "recurrent/recurrent_conv.h"
#include "synapses/conv_rows.h"
#include "synapses/transposed_conv.h"

namespace keras_slayer {
namespace KS_ISA {

void recurrent_conv(Dtype dtype, const RecurrentConvArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const int64_t units = args.shape.inner, steps = args.shape.steps;
    const Owned<ForwardRows<T, uint8_t>> neurons(
        new_forward_rows<T, uint8_t>(args.neuron, units));
    Fired<T> fired(1, units);
    int64_t offsets[2] = {0, 0};  // the events of one frame: the spikes of the step before
    const Events events = {1, units, offsets, fired.of(0).index, fired.of(0).value};
    ConvRows<T> synapse(events, args.geometry, args.weights);
    synapse.set_range(0, units);
    const Rows<A> sums(1, units);
    A* __restrict z = sums.row(0);
    for (int64_t sample = begin; sample < end; ++sample) {
      neurons->start(args.state, units, sample, 0, units);
      fired.start(0, last_of(args.state, args.state.from, units, sample));
      for (int64_t t = 0; t < steps; ++t) {
        const int64_t at = (sample * steps + t) * units;
        const T* __restrict in = static_cast<const T*>(args.in) + at;
        offsets[1] = fired.of(0).size;
        synapse.sum(0, z);
        KS_VECTOR_LOOP(j, units) z[j] = load(in[j]) + z[j];
        for (int64_t from = 0; from < units; from += kBlock) {
          neurons->step(z + from, from, smaller(kBlock, units - from), args.spikes + at + from,
                        static_cast<T*>(args.membrane) + at + from);
        }
        fired.set(0, args.spikes + at);
      }
      neurons->finish(args.state, units, sample, 0, units);
      fired.finish(0, last_of(args.state, args.state.to, units, sample));
    }
    if (!neurons->finite()) __atomic_store_n(args.not_finite, 1, __ATOMIC_RELAXED);
  });
}

void recurrent_conv_grad(Dtype dtype, const RecurrentConvGradArgs& args, int64_t begin,
                         int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ConvGeometry& g = args.geometry;
    const int64_t units = args.shape.inner, steps = args.shape.steps;
    const Owned<BackwardRows<T, A>> neurons(new_backward_rows<T, A>(args.neuron, units, units));
    TransposedConv<A> transposed(g, static_cast<const A*>(args.weights));
    transposed.set_range(0, g.height);
    const int64_t skipped = transposed.first_row() * g.out_width * g.filters;
    // Of spikes, with room for the last vector of the transposed convolution; and of z.
    const Rows<A> grads(1, units + TransposedRows<A>::kSlack / int64_t(sizeof(A)));
    const Rows<A> inputs(1, units);
    A *__restrict grad = grads.row(0), *__restrict dz = inputs.row(0);
    for (int64_t sample = begin; sample < end; ++sample) {
      neurons->start(args.state, units, sample, 0, units);
      read_last(args.state, units, sample, dz);
      clear(grad, units);  // no later step feels the last one
      if (args.state.from != nullptr) transposed.apply(dz + skipped, grad);
      for (int64_t t = steps - 1; t >= 0; --t) {
        const int64_t at = (sample * steps + t) * units;
        const T* __restrict given = static_cast<const T*>(args.grad_spikes) + at;
        const T* membrane = static_cast<const T*>(args.membrane) + at;
        T* __restrict out = static_cast<T*>(args.grad_in) + at;
        KS_VECTOR_LOOP(j, units) grad[j] = load(given[j]) + grad[j];
        for (int64_t from = 0; from < units; from += kBlock) {
          neurons->step(grad + from, membrane + from, from, smaller(kBlock, units - from),
                        dz + from);
        }
        KS_VECTOR_LOOP(j, units) store(&out[j], dz[j]);
        if (t > 0) transposed.apply(dz + skipped, grad);
      }
      neurons->finish(args.state, units, sample, 0, units);
      write_last(args.state, units, sample, dz);
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
