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

// Neurons that the kernels step through time at once: their state stays in the
// first-level cache. A work item of the kernels over series is one such block.
constexpr int64_t kBlock = 512;
// How many steps ahead of their use rows are asked for.
constexpr int64_t kAhead = 2;

KS_HD int64_t block_count(int64_t size, int64_t block) { return (size + block - 1) / block; }
KS_HD int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

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
  bool triangle;
};

enum class NeuronKind { kSrm, kCuba, kLoihi };

// A neuron on the scale of the float weights: a Loihi threshold is mantissa / 64,
// and its decays are fractions too.
struct NeuronParams {
  NeuronKind kind;
  double threshold;
  SurrogateParams surrogate;
  bool exodus;
  double response_decay, response_gain, refractory_decay, refractory_gain;  // kSrm
  double keep_current, keep_voltage;                                        // kCuba, kLoihi
};

struct NeuronArgs {  // in: synaptic input
  Shape shape;
  bool stream;  // the outputs are larger than the caches
  const void* in;
  NeuronParams neuron;
  void* spikes;
  void* membrane;    // before reset
  bool* not_finite;  // kLoihi: set where an input is not a finite number
};

struct NeuronGradArgs {
  Shape shape;
  bool stream;
  const void* grad_spikes;
  const void* membrane;
  NeuronParams neuron;
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

struct DelayArgs {  // y[t, n] = x[t - floor(delay[n % delays]), n]
  Shape shape;
  const void* x;
  const int64_t* shift;  // floor of each delay
  int64_t delays;
  bool reverse;
  void* y;
};

struct DelayGradArgs {  // partial[b, d] = -sum_t grad[t] (y[t+1] - y[t-1]) / 2; an item is a b
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

// Into index and value, which have room for all rows x columns and kPackedRoom more.
constexpr int64_t kPackedRoom = 16;
struct CollectArgs {
  int64_t rows, columns;
  Dtype x_type;
  const void* x;
  int64_t* counts;  // events per row
  int32_t* index;
  void* value;
};

// A matrix [rows, width] of which `slice` columns at a time are in use, from a multiple of it on.
// Packed, each such slice lies together: pieces of rows that are a power of two apart share a few
// sets of a cache and leave the others empty.
struct Slices {
  int64_t rows, width, slice;
  bool packed;
  const void* data;
  KS_HD int64_t size(int64_t first) const { return smaller(slice, width - first); }
  // In elements: where the slice from column `first` on begins, and from row to row of it.
  KS_HD int64_t offset(int64_t first) const { return packed ? first * rows : first; }
  KS_HD int64_t stride(int64_t first) const { return packed ? size(first) : width; }
};

// out[m] = sum_e value[e] matrix[index[e]]. Item: kRowTile rows of a slice of columns, slice after
// slice: that of the matrix stays in the second-level cache.
constexpr int64_t kRowTile = 64;
struct EventMatmulArgs {
  Events events;
  Slices matrix;  // [columns, width]
  void* out;
};

struct ConvGeometry {
  int64_t height, width, channels;            // input
  int64_t out_height, out_width, filters;     // output
  int64_t kernel_height, kernel_width, groups;
  int64_t stride_y, stride_x, dilation_y, dilation_x, padding_top, padding_left;
  // For each input row y and kernel row k: the output row it adds to, or -1.
  const int32_t* row_target;     // [height, kernel_height]
  const int32_t* column_target;  // [width, kernel_width]
  // Without groups and horizontal steps, weights come as [channels,
  // kernel_height, kernel_width reversed, filters]: see conv_rows.h.
  bool runs;
};

// How conv_spread.h takes weights: the window of one filter is kernel_height runs
// of kernel_width x channels weights, each filled up to whole vectors. Windows are
// cut into slices, which lie together: [slices, filters, slice].
struct SpreadOrder {
  int64_t run, window, slice;
  KS_HD SpreadOrder(const ConvGeometry& g, int64_t element_bytes) {
    const int64_t lanes = 64 / element_bytes, taps = g.kernel_width * (g.channels / g.groups);
    run = (taps + lanes - 1) / lanes * lanes;
    window = g.kernel_height * run;
    slice = 8 * lanes;
  }
  KS_HD int64_t slices() const { return (window + slice - 1) / slice; }
};

// Sides of the tiles of pixels whose gradient winograd.h computes at once.
constexpr int kTileSide = 4;

struct PoolGeometry {
  int64_t height, width, channels, out_height, out_width;
  int64_t window_height, window_width, stride_y, stride_x, padding_top, padding_left;
  double tap;  // weight of every input
};

enum class SynapseKind { kMatmul, kConv, kPool };

struct SynapseArgs {
  SynapseKind kind;
  int64_t outputs;      // per step
  Events events;        // kMatmul, kConv; a row is a frame
  Slices matrix;        // kMatmul: the weights, [columns, outputs]
  const void* weights;  // kConv: as in EventConvArgs
  ConvGeometry conv;
  Dtype frames_type;
  const void* frames;  // kPool: [batch, steps, height, width, channels]
  PoolGeometry pool;
};

// Neurons per work item of the ops that do synapses and neurons in one pass, and
// steps that these do at once: the sums of a tile stay in the second-level cache,
// while each kBlock of the neurons goes through its steps.
constexpr int64_t kLayerBlock = 8192;
constexpr int64_t kTile = 4;

// Item: a sample and a block. Those of a block follow each other in kMatmul, whose weights stay
// in cache from one to the next, and those of a sample elsewhere.
struct LayerArgs {
  Shape shape;    // of the output
  bool stream;    // the membrane potential
  int64_t block;  // kMatmul: a slice; elsewhere whole rows of output pixels
  SynapseArgs synapse;
  const void* bias;  // [bias_size], repeated over the outputs; or null
  int64_t bias_size;
  NeuronParams neuron;
  uint8_t* spikes;
  void* membrane;
  bool* not_finite;
};

// The gradient of a layer's spikes; or, where a pool alone reads them, that of the pool's spikes,
// and what leads from there to its sums, which are fewer than its inputs and all there is to know.
struct SpikesGrad {
  const void* data;
  bool pooled;
  PoolGeometry pool;
  NeuronParams neuron;   // of the pool, like its membrane potential
  const void* membrane;
};

struct ConvWeightsGradArgs {  // item: a group of samples and a block, into partial[item]
  Shape shape;
  int64_t block, samples;
  Events events;
  ConvGeometry geometry;
  NeuronParams neuron;
  SpikesGrad grad;
  const void* membrane;
  void* partial;  // arithmetic type, [items, weights]
};

struct LayerInputGradArgs {  // item: a sample and a band of input rows
  Shape shape;               // of the output
  bool stream;
  int64_t out_rows, in_rows, in_row, band;
  const void* weights;  // arithmetic type, in SpreadOrder; null: pool
  ConvGeometry conv;
  PoolGeometry pool;
  NeuronParams neuron;
  SpikesGrad grad;
  const void* membrane;
  void* grad_in;
};

// Both at once, over whole frames; item: a group of samples.
struct ConvGradArgs {
  int64_t tile;                 // steps at once
  ConvWeightsGradArgs weights;  // its items: (group, block), whose order partial has
  LayerInputGradArgs input;
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

struct NarrowGradArgs {  // out = x^T grad, for few units
  int64_t rows, inputs, units;
  Dtype x_type;
  const void* x;     // [rows, inputs]
  const void* grad;  // [rows, grad_stride], arithmetic type; zeros from `units` on
  int64_t grad_stride;
  void* out;  // [inputs, units]
};
constexpr int64_t kNarrowInputs = 128;  // a work item

// out = x weights, for few units; item: kNarrowRows rows.
constexpr int64_t kNarrowRows = 16;
struct NarrowMatmulArgs {
  int64_t rows, inputs, units;
  Dtype x_type;
  const void* x;        // [rows, inputs]
  const void* weights;  // [inputs, weights_stride], arithmetic type; zeros from `units` on
  int64_t weights_stride;
  void* out;  // [rows, units]
};

// out = grad weights^T. Item: kInputGradRows rows of kInputGradInputs inputs, whose sums stay in
// the first-level cache; all rows of the same inputs after each other.
struct MatmulInputGradArgs {
  int64_t rows, inputs, units;
  bool stream;
  const void* grad;     // [rows, units]
  const void* weights;  // [inputs, units]
  void* packed;         // arithmetic type, room for whole kPackedInputs: what pack_weights makes
  void* out;            // [rows, inputs]
};
constexpr int64_t kInputGradRows = 24, kInputGradInputs = 256;
constexpr int64_t kPackedInputs = 64;  // of the weights: an item of pack_weights

// out = step round(weights / step) within [low, high]; with a gradient: where that is no clip, the
// gradient, else zero, which may be written over it. An item is a chunk of kWeightChunk weights.
struct QuantizeArgs {
  int64_t size;
  double step, low, high;
  const void* weights;
  const void* grad;
  void* out;
};
constexpr int64_t kWeightChunk = 16384;

struct Kernels {
  const char* name;
  void (*fir)(Dtype, const FirArgs&, int64_t begin, int64_t end);
  void (*fir_taps_grad)(Dtype, const FirTapsGradArgs&, int64_t begin, int64_t end);
  void (*alpha_filter)(Dtype, const RecursiveFilterArgs&, int64_t begin, int64_t end);
  void (*exponential_filter)(Dtype, const RecursiveFilterArgs&, int64_t begin, int64_t end);
  void (*neuron)(Dtype, const NeuronArgs&, int64_t begin, int64_t end);
  void (*neuron_grad)(Dtype, const NeuronGradArgs&, int64_t begin, int64_t end);
  void (*srm_fir)(Dtype, const SrmFirArgs&, int64_t begin, int64_t end);
  void (*srm_fir_grad)(Dtype, const SrmFirGradArgs&, int64_t begin, int64_t end);
  void (*layer)(Dtype, const LayerArgs&, int64_t begin, int64_t end);
  void (*conv_weights_grad)(Dtype, const ConvWeightsGradArgs&, int64_t begin, int64_t end);
  void (*layer_input_grad)(Dtype, const LayerInputGradArgs&, int64_t begin, int64_t end);
  void (*conv_grad)(Dtype, const ConvGradArgs&, int64_t begin, int64_t end);
  void (*delay)(Dtype, const DelayArgs&, int64_t begin, int64_t end);
  void (*delay_grad)(Dtype, const DelayGradArgs&, int64_t begin, int64_t end);
  void (*collect_events)(Dtype, const CollectArgs&);
  void (*event_matmul)(Dtype, const EventMatmulArgs&, int64_t begin, int64_t end);
  void (*narrow_matmul)(Dtype, const NarrowMatmulArgs&, int64_t begin, int64_t end);
  void (*narrow_weights_grad)(Dtype, const NarrowGradArgs&, int64_t begin, int64_t end);
  void (*pack_weights)(Dtype, const MatmulInputGradArgs&, int64_t begin, int64_t end);
  void (*matmul_input_grad)(Dtype, const MatmulInputGradArgs&, int64_t begin, int64_t end);
  void (*event_conv)(Dtype, const EventConvArgs&, int64_t begin, int64_t end);
  void (*event_conv_grad)(Dtype, const EventConvGradArgs&, int64_t begin, int64_t end);
  void (*quantize)(Dtype, const QuantizeArgs&, int64_t begin, int64_t end);
};

// The kernels for this processor (KERAS_SLAYER_ISA=baseline|avx2|avx512 in the
// environment asks for less than it has).
const Kernels& kernels();

}  // namespace keras_slayer

#endif  // KERAS_SLAYER_KERNELS_H_
