// Interface of transposed synapses: from the gradients of a frame's sums to the gradients of a
// band of rows of its input.
#ifndef KERAS_SLAYER_SYNAPSES_TRANSPOSED_H_
#define KERAS_SLAYER_SYNAPSES_TRANSPOSED_H_

#include "events/gather.h"
#include "synapses/geometry.h"

namespace keras_slayer {
namespace KS_ISA {

// set_range selects the band of input rows [top, bottom). Its gradients depend on the output rows
// [first_row(), last_row()).
template <class A>
class TransposedRows {
 public:
  virtual ~TransposedRows() {}
  virtual void set_range(int64_t top, int64_t bottom) = 0;
  // Computes the gradients of the band from those of these output rows. The memory of `band` must
  // have kSlack bytes more, because the last vector may write past the end.
  static constexpr int64_t kSlack = 64;
  virtual void apply(const A* grad, A* band) = 0;
  int64_t first_row() const { return first_; }
  int64_t last_row() const { return last_; }

 protected:
  // Implements set_range. reaches(oy) tells whether output row oy depends on the band.
  template <class Reaches>
  void set_range_of(int64_t top, int64_t bottom, int64_t output_rows, Reaches reaches) {
    top_ = top;
    bottom_ = bottom;
    first_ = output_rows;
    last_ = 0;
    for (int64_t oy = 0; oy < output_rows; ++oy) {
      if (!reaches(oy)) continue;
      if (oy < first_) first_ = oy;
      last_ = oy + 1;
    }
  }

  int64_t top_ = 0, bottom_ = 0, first_ = 0, last_ = 0;
};

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_TRANSPOSED_H_
