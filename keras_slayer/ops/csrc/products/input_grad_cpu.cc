// The gradient of the input of a dense layer: grad [rows, units] times weights^T [units, inputs],
// summed in the order of the units.
#include "products/input_grad.h"
#include "products/product.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// Packs `inputs` rows of the weights into a slice and clears its other columns. Reads one cache
// line of each row in turn, because whole rows may compete for few sets of the cache.
template <class T, class A>
void pack_slice(const T* weights, int64_t inputs, int64_t units, A* slice) {
  constexpr int64_t kLine = 64 / int64_t(sizeof(T));
  if (inputs < kSlice<A>) clear(slice, units * kSlice<A>);
  const auto pack = [&](int64_t unit, int64_t count) {
    for (int64_t i = 0; i < inputs; ++i) {
      const T* __restrict from = weights + i * units + unit;
      A* __restrict to = slice + unit * kSlice<A> + i;
      for (int64_t k = 0; k < count; ++k) to[k * kSlice<A>] = load(from[k]);
    }
  };
  int64_t unit = 0;
  for (; unit + kLine <= units; unit += kLine) pack(unit, kLine);
  pack(unit, units - unit);
}

template <class T>
class InputGradBlock {
 public:
  explicit InputGradBlock(const MatmulInputGradArgs& args)
      : args_(args),
        wide_(kSame ? 0 : kInputGradRows, args.units),
        sums_(kInputGradRows, kInputGradInputs),
        writer_(kInputGradInputs, args.stream) {}

  void compute(int64_t row, int64_t rows, int64_t input, int64_t inputs) const {
    const Product<A> product = grad_rows(row, rows);
    T* out = static_cast<T*>(args_.out) + row * args_.inputs + input;
    int64_t done = 0;
    if constexpr (kSame) {  // writes to memory directly, which overlaps with the next sums
      if (!args_.stream) {
        done = inputs / kLanes * kLanes;
        multiply_inputs(product, rows, input, 0, done, out, args_.inputs);
      }
    }
    if (done == inputs) return;
    multiply_inputs(product, rows, input, done, inputs, sums_.row(0), sums_.stride());
    for (int64_t i = 0; i < rows; ++i) {
      write_row(sums_.row(i) + done, inputs - done, out + i * args_.inputs + done, writer_);
    }
  }

 private:
  using A = ArithmeticOf<T>;
  static constexpr bool kSame = sizeof(T) == sizeof(A);
  static constexpr int64_t kLanes = kVectorBytes / int64_t(sizeof(A));

  // The products for the inputs [input + begin, input + end), in whole vectors, slice by slice.
  void multiply_inputs(Product<A> product, int64_t rows, int64_t input, int64_t begin, int64_t end,
                       A* out, int64_t out_stride) const {
    for (int64_t at = begin; at < end; at = at / kSlice<A> * kSlice<A> + kSlice<A>) {
      const int64_t skipped = at % kSlice<A>;
      product.right =
          static_cast<const A*>(args_.packed) + (input + at - skipped) * args_.units + skipped;
      const int64_t columns =
          smaller(kSlice<A> - skipped, block_count(end - at, kLanes) * kLanes);
      multiply(product, rows, columns, out + at, out_stride);
    }
  }

  // A product whose left factor is `rows` rows of grad in the arithmetic type.
  Product<A> grad_rows(int64_t row, int64_t rows) const {
    const int64_t units = args_.units;
    const T* grad = static_cast<const T*>(args_.grad) + row * units;
    if constexpr (kSame) {
      return {grad, units, units, nullptr, kSlice<A>};
    } else {
      for (int64_t i = 0; i < rows; ++i, grad += units) {
        A* __restrict to = wide_.row(i);
        KS_VECTOR_LOOP(k, units) to[k] = load(grad[k]);
      }
      return {wide_.row(0), wide_.stride(), units, nullptr, kSlice<A>};
    }
  }

  const MatmulInputGradArgs& args_;
  Rows<A> wide_, sums_;
  RowWriter<T> writer_;
};

}  // namespace

void pack_weights(Dtype dtype, const MatmulInputGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    using A = ArithmeticOf<T>;
    static_assert(kPackedInputs % kSlice<A> == 0 && kInputGradInputs % kSlice<A> == 0,
                  "work items are whole slices");
    const int64_t last = smaller(end * kPackedInputs, args.inputs);
    for (int64_t input = begin * kPackedInputs; input < last; input += kSlice<A>) {
      pack_slice(static_cast<const T*>(args.weights) + input * args.units,
                 smaller(kSlice<A>, last - input), args.units,
                 static_cast<A*>(args.packed) + input * args.units);
    }
  });
}

void matmul_input_grad(Dtype dtype, const MatmulInputGradArgs& args, int64_t begin, int64_t end) {
  with_type(dtype, [&](auto type) {
    const InputGradBlock<decltype(type)> block(args);
    const int64_t blocks = block_count(args.rows, kInputGradRows);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item % blocks * kInputGradRows;
      const int64_t input = item / blocks * kInputGradInputs;
      block.compute(row, smaller(kInputGradRows, args.rows - row), input,
                    smaller(kInputGradInputs, args.inputs - input));
    }
  });
}

}  // namespace KS_ISA
}  // namespace keras_slayer
