// The CPU kernels as plain functions over plain arguments (no TensorFlow
// header), and the table that holds them for one instruction set.
//
// Arrays are row-major [batch, steps, inner]. A kernel does the work items
// [begin, end) of its own numbering; `*_items` functions say how many there
// are. Which thread does an item never changes what it computes.
#ifndef KERAS_SLAYER_KERNELS_H_
#define KERAS_SLAYER_KERNELS_H_

#include <cstdint>

#include "scalar.h"

namespace keras_slayer {

struct Shape {
  int64_t batch, steps, inner;
};

// Neurons per work item of the time-stepping kernels: their state stays in
// the first-level cache while the item walks through time.
constexpr int64_t kBlock = 1024;

inline int64_t scan_items(const Shape& shape) {
  return shape.batch * ((shape.inner + kBlock - 1) / kBlock);
}

struct FirArgs {  // y[t] = sum_k taps[k] x[t-k]; t+k when reverse
  Shape shape;
  const void* x;
  const void* taps;
  int64_t taps_size;
  bool reverse;
  void* y;
};

struct FirTapsGradArgs {  // grad_taps[k] = sum x[t-k] grad[t]; an item is a k
  Shape shape;
  const void* x;
  const void* grad;
  void* grad_taps;
};

struct RecursiveFilterArgs {  // alpha (gain * alpha) or exponential (gain unused)
  Shape shape;
  const void* x;
  double decay, gain;
  bool reverse;
  void* y;
};

struct SurrogateParams {
  double threshold, width, height;
};

struct SrmArgs {  // in: synaptic input
  Shape shape;
  const void* in;
  double threshold, response_decay, response_gain, refractory_decay, refractory_gain;
  void* spikes;
  void* membrane;
};

struct SrmGradArgs {
  Shape shape;
  const void* grad_spikes;
  const void* membrane;
  SurrogateParams surrogate;
  double response_decay, response_gain, refractory_decay, refractory_gain;
  bool exodus;
  void* grad_in;
};

struct SrmFirArgs {  // in: response of the synapse; refractory kernel as taps
  Shape shape;
  const void* in;
  double threshold;
  const double* refractory;
  int64_t refractory_size;
  void* spikes;
  void* membrane;
};

struct SrmFirGradArgs {
  Shape shape;
  const void* grad_spikes;
  const void* membrane;
  SurrogateParams surrogate;
  const double* refractory;
  int64_t refractory_size;
  bool exodus;
  void* grad_in;
};

struct CubaArgs {  // decays as kept fraction; Loihi: 4096 - decay, mantissa
  Shape shape;
  const void* in;
  double keep_current, keep_voltage, threshold;
  void* spikes;
  void* membrane;  // voltage before reset
  bool* not_finite;  // Loihi: set where an input is not a finite number
};

struct CubaGradArgs {
  Shape shape;
  const void* grad_spikes;
  const void* membrane;
  SurrogateParams surrogate;
  double keep_current, keep_voltage;
  bool loihi;  // a spike is v > threshold, and the input of step t acted at t + 1
  bool exodus;
  void* grad_in;
};

struct DelayArgs {  // y[t, n] = x[t - floor(delay[n % delays]), n]
  Shape shape;
  const void* x;
  const int64_t* shift;  // floor of each delay
  int64_t delays;
  bool reverse;
  void* y;
};

struct DelayGradArgs {  // partial[b, d] = -sum_t grad[t] (y[t] - y[t-1]); an item is a b
  Shape shape;
  const void* x;
  const void* grad;
  const int64_t* shift;
  int64_t delays;
  double* partial;
};

// The nonzeros of a [rows, columns] matrix, row by row.
struct Events {
  int64_t rows, columns;
  const int64_t* offsets;  // rows + 1
  const int32_t* index;    // column of each event
  const void* value;
};

struct CountArgs {
  int64_t rows, columns;
  const void* x;
  int64_t* counts;  // per row
};

struct CollectArgs {
  int64_t rows, columns;
  const void* x;
  const int64_t* offsets;
  int32_t* index;
  void* value;
};

struct EventMatmulArgs {  // out[m] = sum_e value[e] matrix[index[e]]; item: kRowTile rows
  Events events;
  const void* matrix;  // [columns, width]
  int64_t width;
  void* out;
};

struct ConvGeometry {
  int64_t height, width, channels;            // input
  int64_t out_height, out_width, filters;     // output
  int64_t kernel_height, kernel_width, groups;
  // For each input row y and kernel row k: the output row it adds to, or -1.
  const int32_t* row_target;     // [height, kernel_height]
  const int32_t* column_target;  // [width, kernel_width]
  // Without groups and horizontal steps, weights come as [channels,
  // kernel_height, kernel_width reversed, filters]: see event_conv_cpu.cc.
  bool runs;
  int64_t padding_left;
};

struct EventConvArgs {  // item: a frame
  Events events;
  ConvGeometry geometry;
  const void* weights;  // arithmetic type, [kernel_height, kernel_width, channels / groups, filters]
  void* out;
};

struct EventConvGradArgs {  // item: a chunk of frames, into partial[chunk]
  Events events;
  ConvGeometry geometry;
  const void* grad;
  int64_t frames_per_chunk;
  void* partial;  // arithmetic type, [chunks, weights]
};

constexpr int64_t kRowTile = 64;

struct Kernels {
  const char* name;
  void (*fir)(Dtype, const FirArgs&, int64_t begin, int64_t end);
  void (*fir_taps_grad)(Dtype, const FirTapsGradArgs&, int64_t begin, int64_t end);
  void (*alpha_filter)(Dtype, const RecursiveFilterArgs&, int64_t begin, int64_t end);
  void (*exponential_filter)(Dtype, const RecursiveFilterArgs&, int64_t begin, int64_t end);
  void (*srm)(Dtype, const SrmArgs&, int64_t begin, int64_t end);
  void (*srm_grad)(Dtype, const SrmGradArgs&, int64_t begin, int64_t end);
  void (*srm_fir)(Dtype, const SrmFirArgs&, int64_t begin, int64_t end);
  void (*srm_fir_grad)(Dtype, const SrmFirGradArgs&, int64_t begin, int64_t end);
  void (*cuba)(Dtype, const CubaArgs&, int64_t begin, int64_t end);
  void (*loihi_cuba)(Dtype, const CubaArgs&, int64_t begin, int64_t end);
  void (*cuba_grad)(Dtype, const CubaGradArgs&, int64_t begin, int64_t end);
  void (*delay)(Dtype, const DelayArgs&, int64_t begin, int64_t end);
  void (*delay_grad)(Dtype, const DelayGradArgs&, int64_t begin, int64_t end);
  void (*count_events)(Dtype, const CountArgs&, int64_t begin, int64_t end);
  void (*collect_events)(Dtype, const CollectArgs&, int64_t begin, int64_t end);
  void (*event_matmul)(Dtype, const EventMatmulArgs&, int64_t begin, int64_t end);
  void (*event_conv)(Dtype, const EventConvArgs&, int64_t begin, int64_t end);
  void (*event_conv_grad)(Dtype, const EventConvGradArgs&, int64_t begin, int64_t end);
};

// The kernels for this processor (KERAS_SLAYER_ISA=baseline|avx2|avx512 in the
// environment asks for less than it has).
const Kernels& kernels();

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_KERNELS_H_
