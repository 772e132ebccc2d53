// Makes the synapses that SynapseArgs describe: matmul (defined here), convolution or pool.
#ifndef KERAS_SLAYER_SYNAPSES_SYNAPSE_ROWS_H_
#define KERAS_SLAYER_SYNAPSES_SYNAPSE_ROWS_H_

#include "synapses/conv_rows.h"
#include "synapses/pool_rows.h"
#include "synapses/synapse_args.h"

namespace keras_slayer {
namespace KS_ISA {

template <class T>
class MatmulRows final : public SynapseRows<T> {
 public:
  using A = ArithmeticOf<T>;
  explicit MatmulRows(const SynapseArgs& args)
      : events_(args.events), matrix_(args.matrix) {}
  void set_range(int64_t first, int64_t count) override {
    slice_ = static_cast<const T*>(matrix_.data) + matrix_.offset(first);
    stride_ = matrix_.stride(first);
    count_ = count;
  }
  void sum(int64_t frame, A* z) override {
    const Selection<T> events = events_of<T>(events_, frame);
    for (int64_t column = 0; column < count_; column += kGatherColumns<A>) {
      gather(events, slice_ + column, stride_, z + column,
             smaller(count_ - column, kGatherColumns<A>));
    }
  }

 private:
  Events events_;
  Slices matrix_;
  const T* slice_ = nullptr;
  int64_t stride_ = 0, count_ = 0;
};

template <class T>
SynapseRows<T>* new_synapse_rows(const SynapseArgs& args) {
  switch (args.kind) {
    case SynapseKind::kMatmul:
      return new MatmulRows<T>(args);
    case SynapseKind::kConv:
      return new ConvRows<T>(args.events, args.conv, args.weights);
    case SynapseKind::kPool:
      return args.frames_type == Dtype::kByte
                 ? static_cast<SynapseRows<T>*>(new PoolRows<T, uint8_t>(args.frames, args.pool))
                 : new PoolRows<T, T>(args.frames, args.pool);
  }
  __builtin_unreachable();
}

}  // namespace KS_ISA
}  // namespace keras_slayer

#endif  // KERAS_SLAYER_SYNAPSES_SYNAPSE_ROWS_H_
