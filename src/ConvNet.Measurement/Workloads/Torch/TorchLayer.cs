using System.Runtime.InteropServices;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace ConvNet.Measurement;

/// <summary>One pass of a layer in torch, on dense tensors.</summary>
/// <remarks>
/// A backward pass runs on a retained autograd graph. Only the tensor whose gradient is timed requires one, so torch
/// computes no other gradient. The gradient is cleared before each call, like zero_grad of an optimiser; otherwise
/// torch would accumulate into it.
/// </remarks>
internal sealed class TorchLayer : Workload
{
    private readonly LayerShape _shape;
    private readonly TorchRuntime _runtime;
    private readonly BenchPass _pass;
    private readonly TorchSharp.DisposeScope _scope;
    private readonly Tensor _x, _w, _output, _dy;

    private TorchLayer(TorchRuntime runtime, LayerShape shape, BenchPass pass)
    {
        (_runtime, _shape, _pass) = (runtime, shape, pass);
        _scope = NewDisposeScope();
        long features = shape.Input.Length, n = shape.Batch;
        long[] x = shape.IsLinear ? [n, features] : [n, shape.Input.C, shape.Input.H, shape.Input.W];
        long[] w = shape.IsLinear ? [shape.Output.C, features]
            : [shape.Output.C, shape.Input.C / shape.Groups, shape.Kernel.H, shape.Kernel.W];
        long[] y = shape.IsLinear ? [n, shape.Output.C] : [n, shape.Output.C, shape.Output.H, shape.Output.W];
        _x = Values(x, pass == BenchPass.BackwardData);
        _w = Values(w, pass == BenchPass.BackwardWeights);
        _dy = Values(pass == BenchPass.Forward ? [1] : y, false);
        _output = Forward();
    }

    public override double Operations => _shape.Operations;

    public override int Images => _shape.Batch;

    public override string Algorithm => "auto";

    /// <summary>Creates the workload of a pass.</summary>
    public static Workload Create(IBackend backend, LayerShape shape, BenchPass pass)
        => new TorchLayer(((TorchSharpBackend)backend).Runtime, shape, pass);

    public override void Run()
    {
        using var scope = new TorchScope(_runtime.Info.Threads);
        if (_pass == BenchPass.Forward)
        {
            Forward();
            return;
        }
        (_pass == BenchPass.BackwardData ? _x : _w).grad = null;
        _output.backward([_dy], retain_graph: true);
    }

    protected override void Dispose(bool disposing) => _scope.Dispose();

    private Tensor Forward()
    {
        if (_shape.IsLinear)
            return functional.linear(_x, _w);
        return functional.conv2d(Sides.Pad(_x, Sides.Rest(_shape.Padding)), _w, null, Pair(_shape.Stride),
            Sides.Both(_shape.Padding), Pair(_shape.Dilation), _shape.Groups);
    }

    // The values are copied into memory that torch allocates, which has the alignment that its kernels expect.
    private static Tensor Values(long[] size, bool wantsGradient)
    {
        long count = size.Aggregate((product, extent) => product * extent);
        Tensor tensor = zeros(size, requires_grad: wantsGradient);
        RandomValues.Make(count).CopyTo(MemoryMarshal.Cast<byte, float>(tensor.bytes));
        return tensor;
    }

    private static long[] Pair(Extent extent) => [extent.H, extent.W];
}
