// The weights' gradient of a layer of few units, such as ten classes: a product with too
// few columns for the blocks that general products are made of.
#include "product.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

constexpr int64_t kChunk = 32;      // rows of x that stay in the first-level cache
constexpr int64_t kEventShare = 40;  // where fewer than one in so many is one, events are faster

// x^T grad of some inputs, a chunk of rows after the other: event by event, or as a dense
// product. Both sum in the same order.
template <class S, class A>
class NarrowSums {
 public:
  explicit NarrowSums(const NarrowGradArgs& args)
      : x_(static_cast<const S*>(args.x)),
        x_stride_(args.inputs),
        grad_(static_cast<const A*>(args.grad)),
        grad_stride_(args.grad_stride),
        vectors_(block_count(args.units, kLanes)),
        sums_(kNarrowInputs, args.grad_stride),
        chunk_(kChunk, kNarrowInputs) {}

  void start(int64_t input, int64_t inputs) {
    input_ = input;
    inputs_ = inputs;
    sums_.clear(grad_stride_);
  }

  void add(int64_t row, int64_t rows) {
    const S* x = x_ + row * x_stride_ + input_;
    const A* grad = grad_ + row * grad_stride_;
    int64_t events = 0;
    for (int64_t i = 0; i < rows; ++i) events += count_events(x + i * x_stride_, inputs_);
    events * kEventShare < rows * inputs_ ? add_events(x, rows, grad) : add_all(x, rows, grad);
  }

  const A* sum(int64_t input) const { return sums_.row(input); }

 private:
  typedef A Vector __attribute__((vector_size(kVectorBytes)));
  static constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(A));

  void add_events(const S* x, int64_t rows, const A* grad) {
    for (int64_t i = 0; i < rows; ++i, x += x_stride_, grad += grad_stride_) {
      for_each_event(x, inputs_, [&](int64_t j) {
        const A value = A(load(x[j]));
        for (int64_t v = 0; v < vectors_; ++v) {
          A* to = sums_.row(j) + v * kLanes;
          Vector sum, term;
          __builtin_memcpy(&sum, to, sizeof(sum));
          __builtin_memcpy(&term, grad + v * kLanes, sizeof(term));
          sum = sum + term * value;
          __builtin_memcpy(to, &sum, sizeof(sum));
        }
      });
    }
  }

  // Copied first: rows of x lie far apart, so that they would share a few sets of the cache.
  void add_all(const S* x, int64_t rows, const A* grad) {
    for (int64_t i = 0; i < rows; ++i) {
      const S* __restrict from = x + i * x_stride_;
      A* __restrict to = chunk_.row(i);
      KS_VECTOR_LOOP(j, inputs_) to[j] = A(load(from[j]));
    }
    const Product<A, true, true> product = {chunk_.row(0), chunk_.stride(), rows, grad,
                                            grad_stride_};
    multiply(product, inputs_, vectors_ * kLanes, sums_.row(0), sums_.stride());
  }

  const S* x_;
  int64_t x_stride_;
  const A* grad_;
  int64_t grad_stride_, vectors_;
  Rows<A> sums_, chunk_;
  int64_t input_ = 0, inputs_ = 0;
};

}  // namespace

void narrow_weights_grad(Dtype dtype, const NarrowGradArgs& args, int64_t begin, int64_t end) {
  with_types(dtype, args.x_type, [&](auto type, auto spike) {
    using T = decltype(type);
    NarrowSums<decltype(spike), ArithmeticOf<T>> sums(args);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item * kNarrowInputs, rest = args.inputs - first;
      const int64_t inputs = rest < kNarrowInputs ? rest : kNarrowInputs;
      sums.start(first, inputs);
      for (int64_t row = 0; row < args.rows; row += kChunk) {
        sums.add(row, args.rows - row < kChunk ? args.rows - row : kChunk);
      }
      for (int64_t i = 0; i < inputs; ++i) {
        T* __restrict out = static_cast<T*>(args.out) + (first + i) * args.units;
        const auto* __restrict from = sums.sum(i);
        KS_VECTOR_LOOP(j, args.units) store(&out[j], from[j]);
      }
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
