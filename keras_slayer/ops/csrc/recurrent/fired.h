// The last spikes of neurons that feed each other, as events: the kernels of recurrent/ read them at
// the next step.
#ifndef KERAS_SLAYER_RECURRENT_FIRED_H_
#define KERAS_SLAYER_RECURRENT_FIRED_H_

#include "base/state.h"
#include "events/gather.h"
#include "recurrent/recurrent.h"

namespace keras_slayer {
namespace KS_ISA {

// The units that fired in the step before, for each sample.
template <class T>
class Fired {
 public:
  using A = ArithmeticOf<T>;
  Fired(int64_t samples, int64_t units)
      : units_(units),
        index_(samples, units + kGroup),
        ones_(1, units),
        bytes_(1, units) {
    for (int64_t j = 0; j < units; ++j) store(&ones_.row(0)[j], A(1));
  }
  void set(int64_t sample, const uint8_t* spikes) {
    count_[sample] = pack_events(spikes, units_, 0, index_.row(sample), nullptr);
  }
  // From the last spikes of a state; none at rest.
  void start(int64_t sample, const double* spikes) {
    uint8_t* __restrict bytes = bytes_.row(0);
    for (int64_t j = 0; j < units_; ++j) bytes[j] = spikes != nullptr && spikes[j] != 0 ? 1 : 0;
    set(sample, bytes);
  }
  // Writes them to a state, if there is one.
  void finish(int64_t sample, double* spikes) const {
    if (spikes == nullptr) return;
    clear(spikes, units_);
    const Selection<T> last = of(sample);
    for (int64_t e = 0; e < last.size; ++e) spikes[last.index[e]] = 1;
  }
  Selection<T> of(int64_t sample) const {
    return {index_.row(sample), ones_.row(0), count_[sample]};
  }

 private:
  int64_t units_;
  Rows<int32_t> index_;
  Rows<T> ones_;
  Rows<uint8_t> bytes_;
  int64_t count_[kRecurrentSamples] = {};
};

// The last ones of the numbers of a sample's state, if there is one: forward the last spikes,
// backward the gradients of z.
template <class Number>
Number* last_of(const SeriesState& state, Number* numbers, int64_t units, int64_t sample) {
  if (numbers == nullptr) return nullptr;
  return numbers + state.at(units, sample, 0) + (state.count - 1) * units;
}
template <class A>
void read_last(const SeriesState& state, int64_t units, int64_t sample, A* row) {
  const double* from = last_of(state, state.from, units, sample);
  from == nullptr ? clear(row, units) : copy_row(from, units, row);
}
template <class A>
void write_last(const SeriesState& state, int64_t units, int64_t sample, const A* row) {
  if (state.to != nullptr) copy_row(row, units, last_of(state, state.to, units, sample));
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_RECURRENT_FIRED_H_
