// The gradient op of a fused pool layer: from the gradient of the spikes and the membrane
// potential to the gradient of the input [batch, steps, height, width, channels].
#include "layers/layer_op.h"

namespace keras_slayer {

REGISTER_OP("KerasSlayer>SumPool2DLayerInputGrad")
    .Input("grad: T")
    .Input("membrane: T")
    .Input("weight: double")
    .Input("params: double")
    .Input("input_size: int64")
    .Output("grad_input: T")
    KS_POOL_ATTRS
    KS_NEURON_ATTRS
    KS_GRADIENT_ATTRS
    .Attr(KS_TYPES)
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle grad, size;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 5, &grad));
      TF_RETURN_IF_ERROR(c->MakeShapeFromShapeTensor(4, &size));
      TF_RETURN_IF_ERROR(c->WithRank(size, 2, &size));
      return layer_outputs(c, c->MakeShape({c->Dim(grad, 0), c->Dim(grad, 1)}),
                          {c->Dim(size, 0), c->Dim(size, 1), c->Dim(grad, 4)});
    });

class SumPool2DLayerInputGrad : public PoolOp {
 public:
  explicit SumPool2DLayerInputGrad(OpKernelConstruction* context) : PoolOp(context) {
    OP_REQUIRES_OK(context, neuron_.init(context, true));
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& grad = context->input(0);
    const Tensor& membrane = context->input(1);
    LayerInputGradArgs args = {};
    ChannelRows rows;
    TensorShape shape;
    OP_REQUIRES_OK(context, prepare_gradient(context, &args.pool, &shape));
    OP_REQUIRES_OK(context, neuron_.read(context->input(3), &args.neuron, &rows));
    OP_REQUIRES_OK(context, series_shape(grad, "grad", &args.shape));
    OP_REQUIRES_OK(context, same_shape(grad, "grad", membrane, "membrane"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, allocate_large(context, 0, shape, &out));
    args.out_rows = args.pool.out_height;
    args.in_rows = args.pool.height;
    args.in_row = args.pool.width * args.pool.channels;
    args.grad = {data_of(grad), false, {}, {}, nullptr};
    args.membrane = data_of(membrane);
    args.grad_in = data_of(out);
    args.stream = is_large(*out);
    run_input_grad(context, args, dtype_of(grad));
  }

 private:
  NeuronOptions neuron_;
};
KS_REGISTER("SumPool2DLayerInputGrad", SumPool2DLayerInputGrad);

}  // namespace keras_slayer
