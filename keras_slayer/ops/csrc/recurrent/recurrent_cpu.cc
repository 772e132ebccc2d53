// The loop over time of neurons that feed each other. Forward, the rows of the weights are added
// that belong to units that fired. Backward, a dense product, because all gradients count.
#include "neurons/backward_rows.h"
#include "neurons/forward_rows.h"
#include "products/product.h"
#include "recurrent/fired.h"
#include "recurrent/recurrent.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// One object for each sample of a work item.
template <class Object>
class PerSample {
 public:
  template <class Make>
  PerSample(int64_t count, Make make) : count_(count) {
    for (int64_t s = 0; s < count; ++s) objects_[s] = make();
  }
  ~PerSample() {
    for (int64_t s = 0; s < count_; ++s) delete objects_[s];
  }
  PerSample(const PerSample&) = delete;
  PerSample& operator=(const PerSample&) = delete;
  Object& operator[](int64_t s) const { return *objects_[s]; }

 private:
  int64_t count_;
  Object* objects_[kRecurrentSamples];
};

// What the product of a step prefetches for the steps that come next, backwards: the rows of the
// three series that they read or write. From sample to sample these lie so far apart that the
// processor does not see what comes next, and to wait for them takes a fifth of the product's time.
// Each tile of the product takes one sample of one series, and of it the rows of several steps,
// which follow each other in memory.
class RowsAhead {
 public:
  // Of `samples` samples from `first` on, whose elements have so many bytes.
  RowsAhead(const RecurrentGradArgs& args, int64_t first, int64_t samples, int64_t bytes,
            int64_t tiles)
      : series_{static_cast<const char*>(args.grad_spikes),
                static_cast<const char*>(args.membrane), static_cast<const char*>(args.grad_in)},
        rows_(kSeries * samples),
        tiles_(tiles),
        steps_(block_count(rows_, tiles)),
        row_bytes_(args.shape.inner * bytes),
        sample_bytes_(args.shape.steps * row_bytes_),
        step_(steps_ * bytes),
        first_(first) {}
  // Before the product of step t. What it prefetches may lie before the first step, outside the
  // series: a prefetch reads nothing.
  void start(int64_t t) {
    place_ = t % steps_ * tiles_;
    from_ = first_ * sample_bytes_ + (t / steps_ - 1) * steps_ * row_bytes_;
  }
  // For a tile: where to start, and how many bytes to go on for each unit.
  const char* next() {
    const int64_t place = place_++;
    if (place >= rows_) return series_[0];
    return series_[place % kSeries] + place / kSeries * sample_bytes_ + from_;
  }
  int64_t step() const { return step_; }

 private:
  static constexpr int kSeries = 3;
  const char* series_[kSeries];
  int64_t rows_, tiles_, steps_, row_bytes_, sample_bytes_, step_, first_;
  int64_t place_ = 0, from_ = 0;
};

// From the gradients of z of a step to those of the spikes before it.
template <class A>
void multiply_back(const RecurrentGradArgs& args, const Rows<A>& inputs, int64_t samples,
                   Rows<A>* grads, RowsAhead* ahead) {
  constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(A));
  const int64_t units = args.shape.inner;
  ProductAhead<A, RowsAhead> product = {
      {inputs.row(0), inputs.stride(), units, nullptr, kSlice<A>}, ahead};
  for (int64_t at = 0; at < units; at += kSlice<A>) {
    product.right = static_cast<const A*>(args.packed) + at * units;
    const int64_t columns = smaller(kSlice<A>, block_count(units - at, kLanes) * kLanes);
    multiply(product, samples, columns, grads->row(0) + at, grads->stride());
  }
}

}  // namespace

void recurrent(Dtype dtype, const RecurrentArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const int64_t units = args.shape.inner, steps = args.shape.steps;
    const T* weights = static_cast<const T*>(args.weights);
    const PerSample<ForwardRows<T, uint8_t>> neurons(
        args.samples, [&] { return new_forward_rows<T, uint8_t>(args.neuron, units); });
    Rows<A> sums(args.samples, units);
    Fired<T> fired(args.samples, units);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item * args.samples;
      const int64_t samples = smaller(args.samples, args.shape.batch - first);
      for (int64_t s = 0; s < samples; ++s) {
        neurons[s].start(args.state, units, first + s, 0, units);
        fired.start(s, last_of(args.state, args.state.from, units, first + s));
      }
      for (int64_t t = 0; t < steps; ++t) {
        for (int64_t column = 0; column < units; column += kGatherColumns<A>) {
          const int64_t count = smaller(units - column, kGatherColumns<A>);
          for (int64_t s = 0; s < samples; ++s) {
            gather(fired.of(s), weights + column, units, sums.row(s) + column, count);
          }
        }
        for (int64_t s = 0; s < samples; ++s) {
          const int64_t at = ((first + s) * steps + t) * units;
          const T* __restrict in = static_cast<const T*>(args.in) + at;
          A* __restrict z = sums.row(s);
          prefetch_row(in + units, units);
          KS_VECTOR_LOOP(j, units) z[j] = load(in[j]) + z[j];
          for (int64_t from = 0; from < units; from += kBlock) {
            neurons[s].step(z + from, from, smaller(kBlock, units - from), args.spikes + at + from,
                            static_cast<T*>(args.membrane) + at + from);
          }
          fired.set(s, args.spikes + at);
        }
      }
      for (int64_t s = 0; s < samples; ++s) {
        neurons[s].finish(args.state, units, first + s, 0, units);
        fired.finish(s, last_of(args.state, args.state.to, units, first + s));
      }
    }
    for (int64_t s = 0; s < args.samples; ++s) {
      if (!neurons[s].finite()) __atomic_store_n(args.not_finite, 1, __ATOMIC_RELAXED);
    }
  });
}

void recurrent_grad(Dtype dtype, const RecurrentGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const int64_t units = args.shape.inner, steps = args.shape.steps;
    const PerSample<BackwardRows<T, A>> neurons(
        args.samples, [&] { return new_backward_rows<T, A>(args.neuron, units, units); });
    Rows<A> grads(args.samples, units), inputs(args.samples, units);  // of spikes, of z
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item * args.samples;
      const int64_t samples = smaller(args.samples, args.shape.batch - first);
      for (int64_t s = 0; s < samples; ++s) {
        neurons[s].start(args.state, units, first + s, 0, units);
        read_last(args.state, units, first + s, inputs.row(s));
      }
      const int64_t tiles = block_count(samples, product_rows(kProductVectors)) *
                            block_count(units, kSlice<A>);
      RowsAhead ahead(args, first, samples, sizeof(T), tiles);
      ahead.start(steps - 1);
      grads.clear(units);  // no later step feels the last one
      if (args.state.from != nullptr) multiply_back(args, inputs, samples, &grads, &ahead);
      for (int64_t t = steps - 1; t >= 0; --t) {
        for (int64_t s = 0; s < samples; ++s) {
          const int64_t at = ((first + s) * steps + t) * units;
          const T* __restrict given = static_cast<const T*>(args.grad_spikes) + at;
          const T* membrane = static_cast<const T*>(args.membrane) + at;
          T* __restrict out = static_cast<T*>(args.grad_in) + at;
          A *__restrict grad = grads.row(s), *__restrict dz = inputs.row(s);
          KS_VECTOR_LOOP(j, units) grad[j] = load(given[j]) + grad[j];
          for (int64_t from = 0; from < units; from += kBlock) {
            neurons[s].step(grad + from, membrane + from, from, smaller(kBlock, units - from),
                            dz + from);
          }
          KS_VECTOR_LOOP(j, units) store(&out[j], dz[j]);
        }
        if (t == 0) break;
        ahead.start(t);
        multiply_back(args, inputs, samples, &grads, &ahead);
      }
      for (int64_t s = 0; s < samples; ++s) {
        neurons[s].finish(args.state, units, first + s, 0, units);
        write_last(args.state, units, first + s, inputs.row(s));
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
