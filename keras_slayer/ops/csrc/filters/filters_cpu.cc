// Causal filters along time of series [batch, steps, inner]: FIR with any taps, and the recursive
// filters: alpha, exponential and oscillator.
#include "base/cpu.h"
#include "filters/filters.h"
#include "filters/steps.h"

namespace keras_slayer {
namespace KS_ISA {

void fir(Dtype dtype, const FirArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const Shape& shape = args.shape;
    const T* taps = static_cast<const T*>(args.taps);
    for (int64_t item = begin; item < end; ++item) {
      int64_t step = 0;
      for_each_step(shape, item, args.reverse, [&](int64_t at, int count) {
        // In reverse, the previous step in the order of computation is the next one in time.
        const int64_t back = args.reverse ? shape.inner : -shape.inner;
        const int64_t reach = args.taps_size <= step ? args.taps_size : step + 1;
        const T* __restrict x = static_cast<const T*>(args.x) + at;
        T* __restrict y = static_cast<T*>(args.y) + at;
        A sum[kBlock];
        clear(sum, count);
        for (int64_t k = 0; k < reach; ++k) {
          const A tap = load(taps[k]);
          const T* __restrict past = x + k * back;
          KS_VECTOR_LOOP(j, count) sum[j] = sum[j] + tap * load(past[j]);
        }
        KS_VECTOR_LOOP(j, count) store(&y[j], sum[j]);
        ++step;
      });
    }
  });
}

void fir_taps_grad(Dtype dtype, const FirTapsGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const Shape& shape = args.shape;
    constexpr int kLanes = 16;  // fixed, so that every instruction set sums in the same order
    for (int64_t k = begin; k < end; ++k) {
      double lanes[kLanes] = {0};
      for (int64_t b = 0; b < shape.batch; ++b) {
        if (k >= shape.steps) break;
        const T* __restrict x = static_cast<const T*>(args.x) + b * shape.steps * shape.inner;
        const T* __restrict grad = static_cast<const T*>(args.grad) +
                                   (b * shape.steps + k) * shape.inner;
        const int64_t size = (shape.steps - k) * shape.inner;
        int64_t i = 0;
        for (; i + kLanes <= size; i += kLanes) {
          KS_VECTOR_LOOP(j, kLanes) lanes[j] += double(load(x[i + j])) * double(load(grad[i + j]));
        }
        for (; i < size; ++i) lanes[i % kLanes] += double(load(x[i])) * double(load(grad[i]));
      }
      double sum = 0;
      for (int j = 0; j < kLanes; ++j) sum += lanes[j];
      store(static_cast<T*>(args.grad_taps) + k, ArithmeticOf<T>(sum));
    }
  });
}

namespace {

// The numbers of a filter for each neuron of a block: `count` rows.
template <class A, int count>
class FilterRows {
 public:
  // Starts a work item, at rest or from its state.
  void start(const RecursiveFilterArgs& args, int64_t item) {
    const int64_t inner = args.shape.inner, blocks = block_count(inner, kBlock);
    first_ = item % blocks * kBlock;
    size_ = smaller(kBlock, inner - first_);
    at_ = args.state.at(inner, item / blocks, first_);
    for (int i = 0; i < count; ++i) {
      clear(row[i], kBlock);
      if (args.state.from == nullptr) continue;
      KS_VECTOR_LOOP(j, size_) row[i][j] = A(args.state.from[at_ + i * inner + j]);
    }
  }
  void finish(const RecursiveFilterArgs& args) const {
    for (int i = 0; i < count && args.state.to != nullptr; ++i) {
      double* __restrict to = args.state.to + at_ + i * args.shape.inner;
      KS_VECTOR_LOOP(j, size_) to[j] = double(row[i][j]);
    }
  }
  A row[count][kBlock];

 private:
  int64_t first_ = 0, size_ = 0, at_ = 0;
};

}  // namespace

void alpha_filter(Dtype dtype, const RecursiveFilterArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const AlphaFilter<A> filter = {A(args.decay), A(args.gain)};
    FilterRows<A, 2> rows;
    for (int64_t item = begin; item < end; ++item) {
      rows.start(args, item);
      A *__restrict rise = rows.row[0], *__restrict response = rows.row[1];
      for_each_step(args.shape, item, args.reverse, [&](int64_t at, int count) {
        const T* __restrict x = static_cast<const T*>(args.x) + at;
        T* __restrict y = static_cast<T*>(args.y) + at;
        KS_VECTOR_LOOP(j, count) {
          typename AlphaFilter<A>::State state = {rise[j], response[j]};
          const A value = filter.read(state);
          filter.add(state, load(x[j]));
          rise[j] = state.rise;
          response[j] = state.response;
          store(&y[j], value);
        }
      });
      rows.finish(args);
    }
  });
}

void exponential_filter(Dtype dtype, const RecursiveFilterArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const ExponentialFilter<A> filter = {A(args.decay)};
    FilterRows<A, 1> rows;
    for (int64_t item = begin; item < end; ++item) {
      rows.start(args, item);
      A* __restrict state = rows.row[0];
      for_each_step(args.shape, item, args.reverse, [&](int64_t at, int count) {
        const T* __restrict x = static_cast<const T*>(args.x) + at;
        T* __restrict y = static_cast<T*>(args.y) + at;
        KS_VECTOR_LOOP(j, count) store(&y[j], filter.step(state[j], load(x[j])));
      });
      rows.finish(args);
    }
  });
}

void oscillator_filter(Dtype dtype, const RecursiveFilterArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    const OscillatorFilter<A> filter = {{A(args.decay), A(args.gain)}};
    FilterRows<A, 2> rows;
    for (int64_t item = begin; item < end; ++item) {
      rows.start(args, item);
      A *__restrict real = rows.row[0], *__restrict imaginary = rows.row[1];
      for_each_step(args.shape, item, args.reverse, [&](int64_t at, int count) {
        const T* __restrict x = static_cast<const T*>(args.x) + at;
        T* __restrict y = static_cast<T*>(args.y) + at;
        KS_VECTOR_LOOP(j, count) {
          typename OscillatorFilter<A>::State state = {real[j], imaginary[j]};
          store(&y[j], filter.step(state, load(x[j])));
          real[j] = state.real;
          imaginary[j] = state.imaginary;
        }
      });
      rows.finish(args);
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
