// The gradient of a layer's spikes, a block of neurons of a frame at a time: as memory holds
// it, or made from the gradient of a pool's sums.
#ifndef KERAS_SLAYER_GRAD_ROWS_H_
#define KERAS_SLAYER_GRAD_ROWS_H_

#include "pool_spread.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T>
class GradRows {
 public:
  using A = ArithmeticOf<T>;
  GradRows(const SpikesGrad& grad, const Shape& shape)
      : data_(static_cast<const T*>(grad.data)),
        pooled_(grad.pooled),
        g_(grad.pool),
        frame_(pooled_ ? g_.out_height * g_.out_width * g_.channels : shape.inner),
        spread_(g_),
        wide_(1, pooled_ && !kSame ? frame_ : 0) {}

  // Neurons of a block: with a pool whole rows of pixels.
  int64_t block() const {
    if (!pooled_) return kBlock;
    const int64_t row = g_.width * g_.channels;
    return row > kBlock ? row : kBlock / row * row;
  }
  // From the neuron `first` of a frame on.
  void aim(int64_t first, int64_t count) {
    first_ = first;
    count_ = count;
    if (!pooled_) return;
    const int64_t row = g_.width * g_.channels, pooled_row = g_.out_width * g_.channels;
    spread_.aim(first / row, (first + count) / row);
    first_ = spread_.first_row() * pooled_row;
    const int64_t rows = spread_.last_row() - spread_.first_row();
    count_ = rows > 0 ? rows * pooled_row : 0;
  }
  // Asks memory for the block of a frame, or for the one that follows it.
  void prefetch(int64_t frame, bool next) const {
    prefetch_row(data_ + frame * frame_ + first_ + (next ? count_ : 0), count_);
  }
  // The block of a frame, perhaps in `room`.
  const A* row(int64_t frame, A* room) {
    const T* from = data_ + frame * frame_ + first_;
    if constexpr (kSame) {
      if (!pooled_) return from;
      spread_.spread(from, room);
    } else {
      A* __restrict to = pooled_ ? wide_.row(0) : room;
      KS_VECTOR_LOOP(j, count_) to[j] = load(from[j]);
      if (pooled_) spread_.spread(to, room);
    }
    return room;
  }

 private:
  static constexpr bool kSame = sizeof(T) == sizeof(A);
  const T* data_;
  bool pooled_;
  PoolGeometry g_;
  int64_t frame_;
  PoolSpread<A> spread_;
  Rows<A> wide_;
  int64_t first_ = 0, count_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_GRAD_ROWS_H_
