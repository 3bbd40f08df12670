using TorchSharp.Modules;
using static TorchSharp.NativeMethods;

namespace TorchSharp
{
    internal static partial class torch
    {
        internal static class optim
        {
            internal interface ILearningRateController
            {
                double LearningRate { get; set; }
            }

            internal abstract class Optimizer : IDisposable
            {
                public abstract IEnumerable<ILearningRateController> ParamGroups { get; }

                public abstract Tensor? step(Func<Tensor>? closure = null);

                public abstract void Dispose();
            }

            public static SGD SGD(
                IEnumerable<Parameter> parameters, double learningRate, double momentum = 0, double dampening = 0,
                double weight_decay = 0, bool nesterov = false, bool maximize = false) =>
                maximize
                    ? throw new NotSupportedException("This libtorch's SGD only minimises: leave `maximize` out.")
                    : new SGD([.. parameters], learningRate, momentum, dampening, weight_decay, nesterov);
        }
    }
}

namespace TorchSharp.Modules
{
    /// <summary>A tensor that an optimiser trains. It takes the data over: the tensor it is made from is invalid afterwards.</summary>
    internal sealed class Parameter : torch.Tensor
    {
        public Parameter(torch.Tensor data, bool requires_grad = true)
            : base(data.MoveHandle()) => this.requires_grad = requires_grad;
    }

    /// <summary>libtorch's own stochastic gradient descent.</summary>
    internal sealed class SGD : torch.optim.Optimizer, torch.optim.ILearningRateController
    {
        private readonly SgdHandle handle;

        internal SGD(
            Parameter[] parameters, double learningRate, double momentum, double dampening, double weightDecay, bool nesterov)
        {
            nint[] handles = Array.ConvertAll(parameters, parameter => parameter.Handle.DangerousGetHandle());
            handle = ct_sgd_new(
                handles, handles.Length, learningRate, momentum, dampening, weightDecay, nesterov ? 1 : 0).ThrowIfFailed();
            GC.KeepAlive(parameters);
        }

        public double LearningRate
        {
            get => ct_sgd_get_learning_rate(handle);
            set => ct_sgd_set_learning_rate(handle, value);
        }

        public override IEnumerable<torch.optim.ILearningRateController> ParamGroups => [this];

        public override torch.Tensor? step(Func<torch.Tensor>? closure = null)
        {
            if (closure is not null)
                throw new NotSupportedException("This binding's step takes no closure: call backward() before it.");
            ct_sgd_step(handle).ThrowIfFailed();
            return null;
        }

        public override void Dispose() => handle.Dispose();
    }
}
