// Groups events by a number of each: a counting sort, for kernels that take a group at a time.
#ifndef KERAS_SLAYER_DATA_GROUPS_H_
#define KERAS_SLAYER_DATA_GROUPS_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace keras_slayer {

// The events of `batch` samples, at most `room` each; those of a sample in `groups` groups.
template <class Event>
class Groups {
 public:
  Groups(int64_t batch, int64_t room, int64_t groups)
      : room_(room),
        groups_(groups),
        starts_(size_t(batch * (groups + 1))),
        found_(new Event[size_t(batch * room)]),
        events_(new Event[size_t(batch * room)]) {}

  // Where to put the events of a sample, to be grouped.
  Event* found(int64_t sample) { return found_.get() + sample * room_; }

  // Groups the first `count` events of found(sample); group_of(event) is the group of each. Within
  // a group they keep their order. Several threads may do this, each for other samples.
  template <class GroupOf>
  void group(int64_t sample, int64_t count, GroupOf group_of) {
    const Event* const from = found(sample);
    Event* const to = events_.get() + sample * room_;
    int64_t* const starts = starts_.data() + sample * (groups_ + 1);
    int64_t before = 0;
    bool in_order = true;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t group = group_of(from[i]);
      in_order = in_order && group >= before;
      before = group;
      ++starts[group + 1];
    }
    starts[0] = sample * room_;
    for (int64_t g = 0; g < groups_; ++g) starts[g + 1] += starts[g];
    if (in_order) {  // a recording as it was cached
      std::copy(from, from + count, to);
      return;
    }
    std::vector<int64_t> next(starts, starts + groups_);
    for (int64_t i = 0; i < count; ++i) {
      events_[size_t(next[size_t(group_of(from[i]))]++)] = from[i];
    }
  }

  const Event* events() const { return events_.get(); }
  // [batch, groups + 1]: the first event of each group, and the end of the last.
  const int64_t* starts() const { return starts_.data(); }

 private:
  int64_t room_, groups_;
  std::vector<int64_t> starts_;
  std::unique_ptr<Event[]> found_, events_;
};

// Divides numbers of 0 or more, rounding down.
template <class Number>
class Divisor {
 public:
  explicit Divisor(int64_t divisor) : divisor_(divisor) {}
  int64_t of(Number number) const { return int64_t(number) / divisor_; }

 private:
  int64_t divisor_;
};

// A product of doubles takes a third of the time, and is exact: (n + 1/2) / d is at least 1 / (2 d)
// away from a whole number, and its rounding less than 2^-21 / d.
template <>
class Divisor<int32_t> {
 public:
  explicit Divisor(int64_t divisor) : inverse_(1.0 / double(divisor)) {}
  int64_t of(int32_t number) const { return int64_t((double(number) + 0.5) * inverse_); }

 private:
  double inverse_;
};

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_GROUPS_H_
