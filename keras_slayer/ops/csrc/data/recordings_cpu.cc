// Passes over the events of a batch.
#include "base/cpu.h"
#include "data/philox.h"
#include "data/recordings.h"

namespace keras_slayer {
namespace KS_ISA {

namespace {

// Calls body(first, count) for each work item of kItemEvents events.
template <class Body>
KS_HD void for_each_part(int64_t size, int64_t begin, int64_t end, Body body) {
  for (int64_t item = begin; item < end; ++item) {
    body(item * kItemEvents, smaller(kItemEvents, size - item * kItemEvents));
  }
}

// Calls body(first, count) for kDraws events after another.
template <class Body>
KS_HD void for_each_drawn(int64_t size, int64_t begin, int64_t end, Body body) {
  static_assert(kItemEvents % kDraws == 0);
  const int64_t last = smaller(size, end * kItemEvents);
  for (int64_t first = begin * kItemEvents; first < last; first += kDraws) {
    body(first, smaller(kDraws, last - first));
  }
}

KS_HD bool within(int32_t place, int32_t limit) { return uint32_t(place) < uint32_t(limit); }

// The pixel, or one that no sensor reaches: what int32 cannot hold would have no value.
KS_HD int32_t nearest(float place) {
  constexpr float kFarAway = 1e9f;
  const float from_below = place > -kFarAway ? place : -kFarAway;
  return int32_t(__builtin_rintf(from_below < kFarAway ? from_below : kFarAway));
}

template <class Index>
void write_bins(const EventBinsArgs& args, int64_t b) {
  const int64_t from = b * args.events;
  Index* const bins = static_cast<Index*>(args.bins) + from;
  int32_t late = 0, count = 0;
  bool outside = false;
  const double steps = double(args.steps);
  for (int64_t i = 0; i < args.events; ++i) {
    const int64_t t = args.t[from + i];
    const bool real = args.kept[from + i] && t >= 0;
    if (!real) {
      bins[i] = -1;
      continue;
    }
    ++count;
    int64_t place = 0;
    for (int k = 0; k < 3; ++k) {
      if (args.limits[k] == 0) continue;
      const int64_t value = args.places[k][from + i];
      outside |= value < 0 || value >= args.limits[k];
      place += value * args.strides[k];
    }
    const double step = __builtin_floor(double(t) / args.step_length);
    if (step < steps) {
      bins[i] = Index(int64_t(step) * args.frame + place);
    } else {
      bins[i] = -1;
      ++late;
    }
  }
  args.late[b] = late;
  args.count[b] = count;
  args.outside[b] = outside;
}

}  // namespace

void unpack_events(Dtype, const UnpackArgs& args, int64_t begin, int64_t end) {
  // Quotients as products of doubles: see Divisor in groups.h.
  const double by_channels = 1.0 / double(args.channels), by_width = 1.0 / double(args.width);
  const int32_t channels = int32_t(args.channels), width = int32_t(args.width);
  for_each_part(args.size, begin, end, [&](int64_t first, int64_t count) {
    const int64_t* __restrict packed = args.packed + first;
    int32_t *__restrict x = args.x + first, *__restrict y = args.y + first;
    int32_t* __restrict polarity = args.polarity + first;
    int64_t* __restrict t = args.t + first;
    bool* __restrict kept = args.kept + first;
    int32_t address[kItemEvents];
    KS_VECTOR_LOOP(j, count) {
      const int64_t number = packed[j];
      kept[j] = number >= 0;
      t[j] = number < 0 ? 0 : number & 0xffffffff;
      address[j] = number < 0 ? 0 : int32_t(number >> 32);
    }
    KS_VECTOR_LOOP(j, count) {
      const int32_t pixel = int32_t((double(address[j]) + 0.5) * by_channels);
      const int32_t line = int32_t((double(pixel) + 0.5) * by_width);
      polarity[j] = address[j] - pixel * channels;
      x[j] = pixel - line * width;
      y[j] = line;
    }
  });
}

void turn_events(Dtype, const TurnArgs& args, int64_t begin, int64_t end) {
  for (int64_t b = begin; b < end; ++b) {
    const float* const map = args.maps + 4 * b;
    const float yy = map[0], yx = map[1], xy = map[2], xx = map[3];
    const float cy = args.centre_y, cx = args.centre_x;
    const int64_t at = b * args.events;
    const int32_t *__restrict x = args.x + at, *__restrict y = args.y + at;
    const bool* __restrict kept = args.kept + at;
    int32_t *__restrict new_x = args.new_x + at, *__restrict new_y = args.new_y + at;
    bool* __restrict new_kept = args.new_kept + at;
    KS_VECTOR_LOOP(j, args.events) {
      const float from_y = float(y[j]) - cy, from_x = float(x[j]) - cx;
      new_y[j] = nearest(cy + yy * from_y + yx * from_x);
      new_x[j] = nearest(cx + xy * from_y + xx * from_x);
    }
    KS_VECTOR_LOOP(j, args.events) {
      new_kept[j] = kept[j] & within(new_y[j], args.height) & within(new_x[j], args.width);
    }
  }
}

void events_on_sensor(Dtype, const OnSensorArgs& args, int64_t begin, int64_t end) {
  for_each_part(args.size, begin, end, [&](int64_t first, int64_t count) {
    const int32_t *__restrict x = args.x + first, *__restrict y = args.y + first;
    const bool* __restrict kept = args.kept + first;
    bool* __restrict new_kept = args.new_kept + first;
    KS_VECTOR_LOOP(j, count) {
      new_kept[j] = kept[j] & within(y[j], args.height) & within(x[j], args.width);
    }
  });
}

void jitter_events(Dtype, const JitterArgs& args, int64_t begin, int64_t end) {
  PhiloxWords words;
  float noise[kDraws];
  for_each_drawn(args.size, begin, end, [&](int64_t first, int64_t count) {
    const int64_t* __restrict t = args.t + first;
    const bool* __restrict kept = args.kept + first;
    int64_t* __restrict new_t = args.new_t + first;
    bool* __restrict new_kept = args.new_kept + first;
    draw_words(args.state, first / kWords, &words);
    for (int64_t at = 0; at < count; at += 2) {
      const uint32_t* const word = &words.word[at % kWords][at / kWords];
      if (kept[at] || (at + 1 < count && kept[at + 1])) {
        normal(word[0], word[kBlocks], &noise[at], &noise[at + 1]);
      } else {
        noise[at] = noise[at + 1] = 0;
      }
    }
    KS_VECTOR_LOOP(j, count) {
      new_t[j] = t[j] + int64_t(__builtin_rintf(noise[j] * args.std));
      new_kept[j] = kept[j] & (new_t[j] >= 0);
    }
  });
}

void drop_events(Dtype, const DropArgs& args, int64_t begin, int64_t end) {
  PhiloxWords words;
  for_each_drawn(args.size, begin, end, [&](int64_t first, int64_t count) {
    draw_words(args.state, first / kWords, &words);
    int64_t row = first / args.events, next = (row + 1) * args.events;
    for (int64_t j = 0; j < count; ++j) {
      if (first + j == next) ++row, next += args.events;
      const float drawn = uniform(words.word[j % kWords][j / kWords]);
      args.new_kept[first + j] = args.kept[first + j] & (drawn >= args.probability[row]);
    }
  });
}

void event_spans(Dtype, const SpanArgs& args, int64_t begin, int64_t end) {
  for (int64_t b = begin; b < end; ++b) {
    const int64_t* const t = args.t + b * args.events;
    const bool* const kept = args.kept + b * args.events;
    int64_t first = INT64_MAX, last = -1;
    for (int64_t i = 0; i < args.events; ++i) {
      const int64_t low = kept[i] ? t[i] : INT64_MAX, high = kept[i] ? t[i] : -1;
      first = low < first ? low : first;
      last = high > last ? high : last;
    }
    args.first[b] = last < 0 ? 0 : first;
    args.length[b] = last < 0 ? 0 : last - first + 1;
  }
}

void event_bins(Dtype, const EventBinsArgs& args, int64_t begin, int64_t end) {
  for (int64_t b = begin; b < end; ++b) {
    args.wide ? write_bins<int64_t>(args, b) : write_bins<int32_t>(args, b);
  }
}

}  // namespace KS_ISA
}  // namespace keras_slayer
