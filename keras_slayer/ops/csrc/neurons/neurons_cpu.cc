// Neurons without synapses, forward and backward, over series [batch, steps, inner]. The op may
// let spikes share memory with the input, and the result of the gradient with grad_spikes.
#include "neurons/backward_rows.h"
#include "neurons/forward_rows.h"
#include "neurons/learn_rows.h"
#include "neurons/neurons.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// T is the type of input and membrane potential, S that of the spikes.
template <class T, class S>
void forward(const NeuronArgs& args, int64_t begin, int64_t end) {
  using A = ArithmeticOf<T>;
  const Owned<ForwardRows<T, S>> rows(new_forward_rows<T, S>(args.neuron, kBlock));
  const RowWriter<S> spikes(kBlock, args.stream && args.spikes != args.in && sizeof(S) > 1);
  const RowWriter<T> membrane(kBlock, args.stream);
  A widened[kBlock];
  const int64_t inner = args.shape.inner, blocks = block_count(inner, kBlock);
  for (int64_t item = begin; item < end; ++item) {
    const int64_t sample = item / blocks, first = item % blocks * kBlock;
    const int64_t size = smaller(kBlock, inner - first);
    rows->start(args.state, inner, sample, first, size);
    for_each_step(args.shape, item, false, [&](int64_t at, int count) {
      const T* in = static_cast<const T*>(args.in) + at;
      S* spikes_out = static_cast<S*>(args.spikes) + at;
      T* membrane_out = static_cast<T*>(args.membrane) + at;
      prefetch_row(in + kAhead * args.shape.inner, count);
      const A* z = widened;
      if constexpr (sizeof(T) == sizeof(A)) {
        z = in;
      } else {
        KS_VECTOR_LOOP(j, count) widened[j] = load(in[j]);
      }
      rows->step(z, 0, count, spikes.start(spikes_out), membrane.start(membrane_out));
      spikes.done(spikes_out, count);
      membrane.done(membrane_out, count);
    });
    rows->finish(args.state, inner, sample, first, size);
  }
  if (!rows->finite()) __atomic_store_n(args.not_finite, 1, __ATOMIC_RELAXED);
}

}  // namespace

void neuron(Dtype dtype, const NeuronArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    args.bytes ? forward<T, uint8_t>(args, begin, end) : forward<T, T>(args, begin, end);
  });
}

void neuron_grad(Dtype dtype, const NeuronGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Owned<BackwardRows<T, T>> rows(new_backward_rows<T, T>(args.neuron, kBlock, kBlock));
    const RowWriter<T> result(kBlock, args.stream && args.grad_in != args.grad_spikes);
    A narrowed[kBlock];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t inner = args.shape.inner, blocks = block_count(inner, kBlock);
      const int64_t sample = item / blocks, first = item % blocks * kBlock;
      const int64_t size = smaller(kBlock, inner - first);
      rows->start(args.state, inner, sample, first, size);
      for_each_step(args.shape, item, true, [&](int64_t at, int count) {
        const T* grad = static_cast<const T*>(args.grad_spikes) + at;
        const T* membrane = static_cast<const T*>(args.membrane) + at;
        T* out = static_cast<T*>(args.grad_in) + at;
        prefetch_row(grad - kAhead * args.shape.inner, count);
        prefetch_row(membrane - kAhead * args.shape.inner, count);
        T* target = result.start(out);
        if constexpr (sizeof(T) == sizeof(A)) {
          rows->step(grad, membrane, 0, count, target);
        } else {
          rows->step(grad, membrane, 0, count, narrowed);
          KS_VECTOR_LOOP(j, count) store(&target[j], narrowed[j]);
        }
        result.done(out, count);
      });
      rows->finish(args.state, inner, sample, first, size);
    }
  });
}

void neuron_params_grad(Dtype dtype, const NeuronParamsGradArgs& args, int64_t begin, int64_t end) {
  static_assert(kBlock % kLearnedAtOnce == 0);
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Owned<LearnRows<T>> rows(new_learn_rows<T>(args.neuron));
    const RowWriter<T> result(kLearnedAtOnce, args.stream && args.grad_in != args.grad_spikes);
    const int64_t inner = args.shape.inner, steps = args.shape.steps;
    const int64_t blocks = block_count(inner, kBlock);
    A dz[kTogether * kLearnedAtOnce];
    for (int64_t item = begin; item < end; ++item) {
      const int64_t sample = item / blocks, past = smaller((item % blocks + 1) * kBlock, inner);
      for (int64_t first = item % blocks * kBlock; first < past; first += kLearnedAtOnce) {
        const int64_t count = smaller(kLearnedAtOnce, past - first);
        rows->start(args.state, inner, sample, first, count);
        for (int64_t past_t = steps; past_t > 0;) {
          const int64_t together = smaller(kTogether, past_t);
          const int64_t at = (sample * steps + past_t - 1) * inner + first;
          const T* grad = static_cast<const T*>(args.grad_spikes) + at;
          const T* membrane = static_cast<const T*>(args.membrane) + at;
          for (int64_t k = kTogether; k < 2 * kTogether; ++k) {
            prefetch_row(grad - k * inner, count);
            prefetch_row(membrane - k * inner, count);
          }
          rows->step(grad, membrane, inner, together, count, dz);
          for (int64_t k = 0; k < together && args.grad_in != nullptr; ++k) {
            write_row(dz + k * kLearnedAtOnce, count,
                      static_cast<T*>(args.grad_in) + at - k * inner, result);
          }
          past_t -= together;
        }
        rows->finish(args, sample, first, count);
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
