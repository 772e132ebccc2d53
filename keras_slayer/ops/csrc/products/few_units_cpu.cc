// Dense layers of few units, such as ten classes: x [rows, inputs] times weights [inputs, units],
// and the gradient of the weights. So few columns do not fill the tiles of general products.
#include "products/few_units.h"
#include "products/product.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

constexpr int64_t kTileRows = 32;  // rows of x of a tile, which stays in the first-level cache
constexpr int64_t kEventShare = 40;  // events are faster if fewer than one in so many is nonzero

// x^T grad for some inputs, one tile of rows after the other: event by event or as a dense
// product. Both sum in the same order.
template <class S, class A>
class FewUnitsSums {
 public:
  explicit FewUnitsSums(const FewUnitsGradArgs& args)
      : x_(static_cast<const S*>(args.x)),
        x_stride_(args.inputs),
        grad_(static_cast<const A*>(args.grad)),
        grad_stride_(args.grad_stride),
        vectors_(block_count(args.units, kLanes)),
        sums_(kFewUnitsInputs, args.grad_stride),
        tile_(kTileRows, kFewUnitsInputs) {}

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
          sum = fused(term, value, sum);
          __builtin_memcpy(to, &sum, sizeof(sum));
        }
      });
    }
  }

  // Copies x first, because its rows are so far apart that they compete for few sets of the cache.
  void add_all(const S* x, int64_t rows, const A* grad) {
    for (int64_t i = 0; i < rows; ++i) {
      const S* __restrict from = x + i * x_stride_;
      A* __restrict to = tile_.row(i);
      KS_VECTOR_LOOP(j, inputs_) to[j] = A(load(from[j]));
    }
    const Product<A, true, true> product = {tile_.row(0), tile_.stride(), rows, grad,
                                            grad_stride_};
    multiply(product, inputs_, vectors_ * kLanes, sums_.row(0), sums_.stride());
  }

  const S* x_;
  int64_t x_stride_;
  const A* grad_;
  int64_t grad_stride_, vectors_;
  Rows<A> sums_, tile_;
  int64_t input_ = 0, inputs_ = 0;
};

// Some rows of x times the weights, event by event or as a dense product. Both sum in the same
// order.
template <class S, class A>
class FewUnitsRows {
 public:
  explicit FewUnitsRows(const FewUnitsMatmulArgs& args)
      : inputs_(args.inputs),
        weights_(static_cast<const A*>(args.weights)),
        stride_(args.weights_stride),
        index_(1, args.inputs + kGroup),
        value_(1, args.inputs + kGroup),
        wide_(kFewUnitsRows, sizeof(S) == sizeof(A) ? 0 : args.inputs),
        sums_(kFewUnitsRows, args.weights_stride) {}

  void multiply(const S* x, int64_t rows) {
    int64_t events = 0;
    for (int64_t i = 0; i < rows; ++i) events += count_events(x + i * inputs_, inputs_);
    events * kDenseShare < rows * inputs_ ? add_events(x, rows) : add_all(x, rows);
  }
  const A* sums(int64_t row) const { return sums_.row(row); }

 private:
  static constexpr int64_t kDenseShare = 3;  // both are as fast if one in so many is an event

  void add_events(const S* x, int64_t rows) {
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t events =
          pack_events(x + i * inputs_, inputs_, 0, index_.row(0), value_.row(0));
      gather(Selection<A>{index_.row(0), value_.row(0), events}, weights_, stride_, sums_.row(i),
             stride_);
    }
  }
  void add_all(const S* x, int64_t rows) {
    Product<A> product = {wide_.row(0), wide_.stride(), inputs_, weights_, stride_};
    if constexpr (sizeof(S) == sizeof(A)) {
      product.left = x;
      product.left_stride = inputs_;
    } else {
      for (int64_t i = 0; i < rows; ++i) {
        A* __restrict to = wide_.row(i);
        const S* __restrict from = x + i * inputs_;
        KS_VECTOR_LOOP(j, inputs_) to[j] = A(load(from[j]));
      }
    }
    KS_ISA::multiply(product, rows, stride_, sums_.row(0), sums_.stride());
  }

  int64_t inputs_;
  const A* weights_;
  int64_t stride_;
  Rows<int32_t> index_;
  Rows<A> value_, wide_, sums_;
};

}  // namespace

void few_units_matmul(Dtype dtype, const FewUnitsMatmulArgs& args, int64_t begin, int64_t end) {
  with_types(dtype, args.x_type, [&](auto type, auto spike) {
    using T = decltype(type);
    using S = decltype(spike);
    FewUnitsRows<S, ArithmeticOf<T>> product(args);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item * kFewUnitsRows, rows = smaller(args.rows - first, kFewUnitsRows);
      product.multiply(static_cast<const S*>(args.x) + first * args.inputs, rows);
      for (int64_t i = 0; i < rows; ++i) {
        T* __restrict out = static_cast<T*>(args.out) + (first + i) * args.units;
        const auto* __restrict from = product.sums(i);
        KS_VECTOR_LOOP(j, args.units) store(&out[j], from[j]);
      }
    }
  });
}

void few_units_weights_grad(Dtype dtype, const FewUnitsGradArgs& args, int64_t begin, int64_t end) {
  with_types(dtype, args.x_type, [&](auto type, auto spike) {
    using T = decltype(type);
    FewUnitsSums<decltype(spike), ArithmeticOf<T>> sums(args);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item * kFewUnitsInputs, rest = args.inputs - first;
      const int64_t inputs = rest < kFewUnitsInputs ? rest : kFewUnitsInputs;
      sums.start(first, inputs);
      for (int64_t row = 0; row < args.rows; row += kTileRows) {
        sums.add(row, args.rows - row < kTileRows ? args.rows - row : kTileRows);
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
