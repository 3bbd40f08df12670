using ConvNet.Backends;
using ConvNet.Native;
using ConvNet.Native.Interop;
using static ConvNet.Native.Interop.Convnet;

namespace ConvNet.Measurement;

/// <summary>One pass of a layer in the native kernels. Tensors have the layouts that the kernels prefer and weights are
/// packed; only the kernel is timed.</summary>
internal abstract unsafe class NativeLayer : Workload
{
    private readonly List<NativeBlock> _blocks = [];

    protected NativeLayer(NativeBackend backend, LayerShape shape, BenchPass pass)
        => (Context, Shape, Pass) = (backend.Context, shape, pass);

    public override double Operations => Shape.Operations;

    public override int Images => Shape.Batch;

    public override string Algorithm => "direct";

    protected cn_context Context { get; }

    protected LayerShape Shape { get; }

    protected BenchPass Pass { get; }

    /// <summary>The pass as the kernels name it.</summary>
    protected cn_pass Kernel => Pass switch
    {
        BenchPass.Forward => cn_pass.CN_FORWARD,
        BenchPass.BackwardData => cn_pass.CN_BACKWARD_DATA,
        _ => cn_pass.CN_BACKWARD_WEIGHTS,
    };

    /// <summary>Creates the workload of a pass.</summary>
    public static NativeLayer Create(NativeBackend backend, LayerShape shape, BenchPass pass)
        => shape.IsLinear ? new NativeLinear(backend, shape, pass) : new NativeConvolution(backend, shape, pass);

    /// <summary>Allocates zeroed memory for a number of floats.</summary>
    protected float* Allocate(long floats)
    {
        var block = new NativeBlock(floats, clear: true);
        _blocks.Add(block);
        return block.Pointer;
    }

    /// <summary>Allocates a tensor and fills it with random values.</summary>
    protected float* Values(cn_tensor tensor)
    {
        float* values = Allocate(cn_tensor_bytes(tensor, Shape.Batch).FloatsOrThrow());
        float[] plain = RandomValues.Make((long)Shape.Batch * tensor.c * tensor.h * tensor.w);
        cn_tensor from = tensor with { halo = 0, layout = cn_layout.CN_PLAIN };
        fixed (float* source = plain)
            cn_reorder(Context, from, tensor, Shape.Batch, source, values).ThrowIfFailed();
        return values;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _blocks.ForEach(block => block.Dispose());
}

/// <summary>A convolution in the native kernels.</summary>
internal sealed unsafe class NativeConvolution : NativeLayer
{
    private readonly cn_conv2d _conv;
    private readonly SumAlgorithm? _auto;
    private readonly float* _x, _w, _y, _workspace;
    private readonly long _workspaceBytes;
    private readonly WorkloadGradients _gradients;

    public NativeConvolution(NativeBackend backend, LayerShape shape, BenchPass pass) : base(backend, shape, pass)
    {
        cn_conv2d conv = Describe(shape);
        Selection auto = Choose(new AlgorithmPolicy(Precision.Fast, null));
        _auto = auto.IsChoice ? auto.Algorithm : null;
        SumAlgorithm algorithm = Choose(backend.Algorithms).Algorithm;
        Algorithm = algorithm.Word();
        _conv = conv with { algorithm = (cn_algorithm)algorithm };
        _x = Values(pass == BenchPass.BackwardData ? _conv.dx : _conv.x);
        _y = Values(pass == BenchPass.Forward ? _conv.y : _conv.dy);
        _w = Weights();
        _workspaceBytes = ConvKernels.Describe(Context, _conv, null, Kernel, shape.Batch).workspace;
        _workspace = Allocate(_workspaceBytes.FloatsOrThrow());
        _gradients = new WorkloadGradients(_w);

        Selection Choose(AlgorithmPolicy policy)
            => policy.Choose(Context, conv, Kernel, shape.Batch, transformed: false);
    }

    public override string Algorithm { get; }

    public override string? Auto => _auto?.Word();

    public override void Run()
    {
        int n = Shape.Batch;
        int status = Pass switch
        {
            BenchPass.Forward => cn_conv2d_forward(Context, _conv, null, n, _x, _w, _y, _workspace, _workspaceBytes),
            BenchPass.BackwardData
                => cn_conv2d_backward_data(Context, _conv, null, n, _y, _w, _x, _workspace, _workspaceBytes),
            _ => cn_conv2d_backward_weights(Context, _conv, null, n, _x, _y, _gradients.Pointer, _workspace,
                _workspaceBytes),
        };
        status.ThrowIfFailed();
    }

    private cn_conv2d Describe(LayerShape shape)
    {
        var x = new cn_tensor(shape.Input.C, shape.Input.H, shape.Input.W, 0, cn_layout.CN_BLOCKED);
        var y = new cn_tensor(shape.Output.C, shape.Output.H, shape.Output.W, 0, cn_layout.CN_BLOCKED);
        cn_conv2d conv = ConvKernels.Of(x, y,
            new Window(shape.Kernel, shape.Stride, shape.Padding, shape.Dilation), shape.Groups);
        conv.x.layout = conv.dx.layout = ConvKernels.LayoutOf(conv);
        conv.x.halo = Halo(conv, cn_pass.CN_FORWARD);
        conv.dy.halo = Halo(conv, cn_pass.CN_BACKWARD_DATA);
        return conv;
    }

    private int Halo(in cn_conv2d conv, cn_pass pass)
        => Layouts.Limit(ConvKernels.Describe(Context, conv, null, pass, Shape.Batch).halo);

    private float* Weights()
    {
        float* packed = Allocate(cn_conv2d_weight_bytes(_conv).FloatsOrThrow());
        float[] plain = RandomValues.Make((long)Shape.Output.C * (Shape.Input.C / Shape.Groups) * Shape.Kernel.Area);
        fixed (float* source = plain)
            cn_conv2d_pack_weights(Context, _conv, source, packed).ThrowIfFailed();
        return packed;
    }
}

/// <summary>A linear layer in the native kernels.</summary>
internal sealed unsafe class NativeLinear : NativeLayer
{
    private readonly cn_linear _dense;
    private readonly float* _x, _w, _y, _workspace;
    private readonly long _workspaceBytes;
    private readonly WorkloadGradients _gradients;

    public NativeLinear(NativeBackend backend, LayerShape shape, BenchPass pass) : base(backend, shape, pass)
    {
        (int c, int h, int w) = (shape.Input.C, shape.Input.H, shape.Input.W);
        _dense = new cn_linear { c = c, h = h, w = w, outputs = shape.Output.C };
        _x = Values(new cn_tensor(c, h, w, 0, cn_layout.CN_FLAT));
        _y = Values(new cn_tensor(shape.Output.C, 1, 1, 0, cn_layout.CN_FLAT));
        _w = Allocate(cn_linear_weight_bytes(_dense).FloatsOrThrow());
        fixed (float* source = RandomValues.Make((long)shape.Input.Length * shape.Output.C))
            cn_linear_pack_weights(Context, _dense, source, _w).ThrowIfFailed();
        _workspaceBytes = cn_linear_workspace_bytes(Context, _dense, Kernel, shape.Batch).SizeOrThrow();
        _workspace = Allocate(_workspaceBytes.FloatsOrThrow());
        _gradients = new WorkloadGradients(_w);
    }

    public override void Run()
    {
        int n = Shape.Batch;
        int status = Pass switch
        {
            BenchPass.Forward => cn_linear_forward(Context, _dense, null, n, _x, _w, _y, _workspace, _workspaceBytes),
            BenchPass.BackwardData
                => cn_linear_backward_data(Context, _dense, n, _y, _w, _x, _workspace, _workspaceBytes),
            _ => cn_linear_backward_weights(Context, _dense, null, n, _x, _y, _gradients.Pointer, _workspace,
                _workspaceBytes),
        };
        status.ThrowIfFailed();
    }
}

/// <summary>Where a workload stores the gradient of its weights, at a fixed address.</summary>
internal sealed unsafe class WorkloadGradients
{
    private readonly cn_gradients[] _native = GC.AllocateArray<cn_gradients>(1, pinned: true);

    public WorkloadGradients(float* dw)
        => _native[0] = new cn_gradients { operations = cn_gradient_operations.CN_STORE, dw = dw };

    public cn_gradients* Pointer
    {
        get
        {
            // The elements of a pinned array do not move.
            fixed (cn_gradients* native = _native)
                return native;
        }
    }
}
