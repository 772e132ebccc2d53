// Reads the gradient of a layer's spikes, a block of neurons of a frame at a time. Either memory
// holds it, or the spikes go to a pool alone and it is computed from the gradient of the pool's
// spikes. layer_grad_cpu.cc calls it.
#ifndef KERAS_SLAYER_LAYERS_GRAD_ROWS_H_
#define KERAS_SLAYER_LAYERS_GRAD_ROWS_H_

#include "layers/layer.h"
#include "neurons/backward_rows.h"
#include "synapses/transposed_pool.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T>
class GradRows {
 public:
  using A = ArithmeticOf<T>;
  GradRows(const SpikesGrad& grad, const Shape& shape)
      : data_(static_cast<const T*>(grad.data)),
        membrane_(static_cast<const T*>(grad.membrane)),
        pooled_(grad.pooled),
        g_(grad.pool),
        frame_(pooled_ ? g_.out_height * g_.out_width * g_.channels : shape.inner),
        transposed_(g_),
        neuron_(pooled_ ? new_backward_rows<T, T>(grad.neuron, frame_, frame_) : nullptr),
        sums_(pooled_ ? kTile : 0, frame_) {}

  // Starts a sample, at its last step. Only the neurons [first, first + count) will be read.
  void reset(int64_t first, int64_t count) {
    set_range(first, count);
    if (!pooled_) return;
    begin_ = first_;
    size_ = count_;
    neuron_->reset(begin_, size_, size_);
  }
  // Prepares `steps` frames, `frame` and those before it, up to a tile. With a pool, computes the
  // gradients of its sums with the backward pass of its neurons.
  void read(int64_t frame, int64_t steps) {
    last_ = frame;
    if (!pooled_) return;
    for (int64_t from = 0; from < size_; from += kBlock) {
      const int64_t size = smaller(kBlock, size_ - from);
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t at = (frame - i) * frame_ + begin_ + from;
        // The next rows: of this block of neurons, then of the next block.
        const int64_t next = i + kAhead < steps ? at - kAhead * frame_
                                                : at + (steps - kAhead) * frame_ + kBlock;
        prefetch_row(data_ + next, size);
        prefetch_row(membrane_ + next, size);
        neuron_->step(data_ + at, membrane_ + at, from, size, sums_.row(i) + from);
      }
    }
  }

  // Neurons of a block; with a pool, whole rows of pixels.
  int64_t block() const {
    if (!pooled_) return kBlock;
    const int64_t row = g_.width * g_.channels;
    return row > kBlock ? row : kBlock / row * row;
  }
  // Selects the block: neurons [first, first + count) of a frame.
  void set_range(int64_t first, int64_t count) {
    first_ = first;
    count_ = count;
    if (!pooled_) return;
    const int64_t row = g_.width * g_.channels, pooled_row = g_.out_width * g_.channels;
    transposed_.set_range(first / row, (first + count) / row);
    first_ = transposed_.first_row() * pooled_row;
    const int64_t rows = transposed_.last_row() - transposed_.first_row();
    count_ = rows > 0 ? rows * pooled_row : 0;
  }
  // Prefetches the block of a frame, or the next block.
  void prefetch(int64_t frame, bool next) const {
    if (!pooled_) prefetch_row(data_ + frame * frame_ + first_ + (next ? count_ : 0), count_);
  }
  // The gradients of the block of a frame: in memory, or computed into `room`.
  const A* row(int64_t frame, A* room) {
    if (pooled_) {
      transposed_.apply(sums_.row(last_ - frame) + first_ - begin_, room);
      return room;
    }
    const T* from = data_ + frame * frame_ + first_;
    if constexpr (sizeof(T) == sizeof(A)) {
      return from;
    } else {
      KS_VECTOR_LOOP(j, count_) room[j] = load(from[j]);
      return room;
    }
  }

 private:
  const T *data_, *membrane_;
  bool pooled_;
  PoolGeometry g_;
  int64_t frame_;
  TransposedPool<A> transposed_;
  Owned<BackwardRows<T, T>> neuron_;
  Rows<A> sums_;  // gradients of the pool's sums, one row per step; neurons from begin_ on
  int64_t begin_ = 0, size_ = 0, last_ = 0;
  int64_t first_ = 0, count_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_LAYERS_GRAD_ROWS_H_
