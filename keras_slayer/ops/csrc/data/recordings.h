// Kernels over the events [batch, events] of a batch of recordings: x, y, polarity, time, and
// whether each event is kept.
#ifndef KERAS_SLAYER_DATA_RECORDINGS_H_
#define KERAS_SLAYER_DATA_RECORDINGS_H_

#include "base/kernel.h"

namespace keras_slayer {

constexpr int64_t kItemEvents = 4096;  // of a work item, where one is not a recording

// From numbers address << 32 | t, address = (y width + x) channels + polarity. Those below 0 are
// padding; they become zeros that are not kept. Work item: kItemEvents events.
struct UnpackArgs {
  int64_t size, width, channels;
  const int64_t* packed;
  int32_t *x, *y, *polarity;
  int64_t* t;
  bool* kept;
};

// Events about the centre of the image: y <- (cy + m[0] (y - cy)) + m[1] (x - cx), likewise x with
// m[2] and m[3], rounded; kept on the sensor alone. Work item: a recording.
struct TurnArgs {
  int64_t events;
  int32_t height, width;
  float centre_y, centre_x;
  const float* maps;  // [batch, 4]
  const int32_t *x, *y;
  const bool* kept;
  int32_t *new_x, *new_y;
  bool* new_kept;
};

// Keeps what is on the sensor. Work item: kItemEvents events.
struct OnSensorArgs {
  int64_t size;
  int32_t height, width;
  const int32_t *x, *y;
  const bool* kept;
  bool* new_kept;
};

// Where TensorFlow's stateless ops begin to draw.
struct PhiloxState {
  uint64_t key, counter[2];
};

// t <- t + round(std N(0, 1)), kept at times of 0 or more. Work item: kItemEvents events.
struct JitterArgs {
  int64_t size;
  PhiloxState state;
  float std;
  const int64_t* t;
  const bool* kept;
  int64_t* new_t;
  bool* new_kept;
};

// Keeps an event where a number from [0, 1) is not below the probability of its recording. Work
// item: kItemEvents events.
struct DropArgs {
  int64_t size, events;
  PhiloxState state;
  const float* probability;  // [batch]
  const bool* kept;
  bool* new_kept;
};

// First time of the events kept, and last - first + 1; zeros where there are none at times of 0 or
// more. Work item: a recording.
struct SpanArgs {
  int64_t events;
  const int64_t* t;
  const bool* kept;
  int64_t *first, *length;  // [batch]
};

// Numbers of the bins; -1 for events that are not kept, before time 0, or past the last step.
// Work item: a recording.
struct EventBinsArgs {
  int64_t events, steps;
  int64_t limits[3];   // of y, x and polarity; 0 where a field is not looked at
  int64_t strides[3];  // in a frame
  int64_t frame;
  double step_length;  // us
  const int32_t* places[3];
  const int64_t* t;
  const bool* kept;
  bool wide;
  void* bins;             // int32, or int64 if wide
  int32_t *late, *count;  // [batch]: events past the last step, and events
  bool* outside;          // [batch]: whether an event is off the sensor
};

KS_KERNEL(unpack_events, UnpackArgs);
KS_KERNEL(turn_events, TurnArgs);
KS_KERNEL(events_on_sensor, OnSensorArgs);
KS_KERNEL(jitter_events, JitterArgs);
KS_KERNEL(drop_events, DropArgs);
KS_KERNEL(event_spans, SpanArgs);
KS_KERNEL(event_bins, EventBinsArgs);

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_DATA_RECORDINGS_H_
