using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace ConvNet.Bench.Torch;

/// <summary>A network that calls torch directly, as a TorchSharp user would write it. The torchsharp backend is
/// compared with it.</summary>
internal abstract class DirectNetwork : IDisposable
{
    private static readonly long[] One = [1, 1], Two = [2, 2], None = [0, 0];

    private readonly DisposeScope _scope = NewDisposeScope();

    /// <summary>The trainable parameters.</summary>
    public List<TorchParameter> Parameters { get; } = [];

    /// <summary>Computes the scores of a batch.</summary>
    public abstract Tensor Forward(Tensor x, bool training);

    /// <summary>Creates a network by name.</summary>
    public static DirectNetwork Of(string model) => model switch
    {
        "lenet5" => new DirectLeNet5(),
        "cifarnet" => new DirectCifarNet(),
        "resnet20" => new DirectResNet20(),
        _ => throw new NotSupportedException($"{model} has no direct version; lenet5, cifarnet and resnet20 have."),
    };

    public void Dispose()
    {
        Parameters.ForEach(parameter => parameter.Dispose());
        _scope.Dispose();
    }

    protected TorchParameter Parameter(params long[] size)
    {
        Tensor values = zeros(size);
        // The same variance as the initial weights of the backend, with biases of zero, because the time of max pooling
        // depends on how often the maximum changes its position.
        float spread = size.Length == 1 ? 0
            : MathF.Sqrt(24f * size[0] / size.Aggregate((product, extent) => product * extent));
        Span<float> floats = values.Floats();
        var random = new Random(Parameters.Count);
        foreach (ref float value in floats)
            value = (random.NextSingle() - 0.5f) * spread;
        var parameter = new TorchParameter(values);
        Parameters.Add(parameter);
        return parameter;
    }

    protected static Tensor Buffer(long length) => zeros([length]);

    /// <summary>Converts images to channels-last format, which later calls keep. Faster with 16 or more
    /// channels.</summary>
    protected static Tensor ChannelsLast(Tensor x) => x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);

    protected static Tensor Conv(Tensor x, Tensor w, Tensor? bias, long padding, long stride = 1)
        => functional.conv2d(x, w, bias, [stride, stride], [padding, padding], One);

    protected static Tensor Pool(Tensor x) => functional.max_pool2d(x, Two, Two, None, One);

    protected static Tensor Average(Tensor x) => functional.adaptive_avg_pool2d(x, One).flatten(1);
}

internal sealed class DirectLeNet5 : DirectNetwork
{
    private readonly TorchParameter _w1, _b1, _w2, _b2, _w3, _b3, _w4, _b4, _w5, _b5;

    public DirectLeNet5()
    {
        (_w1, _b1) = (Parameter(6, 1, 5, 5), Parameter(6));
        (_w2, _b2) = (Parameter(16, 6, 5, 5), Parameter(16));
        (_w3, _b3) = (Parameter(120, 400), Parameter(120));
        (_w4, _b4) = (Parameter(84, 120), Parameter(84));
        (_w5, _b5) = (Parameter(10, 84), Parameter(10));
    }

    public override Tensor Forward(Tensor x, bool training)
    {
        x = Pool(Conv(x, _w1, _b1, 2).relu());
        x = Pool(Conv(x, _w2, _b2, 0).relu());
        x = functional.linear(x.flatten(1), _w3, _b3).relu();
        return functional.linear(functional.linear(x, _w4, _b4).relu(), _w5, _b5);
    }
}

internal sealed class DirectCifarNet : DirectNetwork
{
    private readonly TorchParameter _w1, _b1, _w2, _b2, _w3, _b3, _w4, _b4, _w5, _b5, _w6, _b6;

    public DirectCifarNet()
    {
        (_w1, _b1) = (Parameter(32, 3, 3, 3), Parameter(32));
        (_w2, _b2) = (Parameter(32, 32, 3, 3), Parameter(32));
        (_w3, _b3) = (Parameter(64, 32, 3, 3), Parameter(64));
        (_w4, _b4) = (Parameter(64, 64, 3, 3), Parameter(64));
        (_w5, _b5) = (Parameter(256, 4096), Parameter(256));
        (_w6, _b6) = (Parameter(10, 256), Parameter(10));
    }

    public override Tensor Forward(Tensor x, bool training)
    {
        x = Pool(Conv(Conv(ChannelsLast(x), _w1, _b1, 1).relu(), _w2, _b2, 1).relu());
        x = Pool(Conv(Conv(x, _w3, _b3, 1).relu(), _w4, _b4, 1).relu());
        return functional.linear(functional.linear(x.flatten(1), _w5, _b5).relu(), _w6, _b6);
    }
}

internal sealed class DirectResNet20 : DirectNetwork
{
    private readonly Block _stem;
    private readonly List<(Block First, Block Second, Block? Shortcut, long Stride)> _blocks = [];
    private readonly TorchParameter _w, _b;

    public DirectResNet20()
    {
        _stem = Make(3, 16, 3);
        long from = 16;
        foreach (long to in (long[])[16, 16, 16, 32, 32, 32, 64, 64, 64])
        {
            _blocks.Add((Make(from, to, 3), Make(to, to, 3), from == to ? null : Make(from, to, 1), to / from));
            from = to;
        }
        (_w, _b) = (Parameter(10, 64), Parameter(10));
    }

    public override Tensor Forward(Tensor x, bool training)
    {
        x = Apply(_stem, ChannelsLast(x), 1, training).relu();
        foreach ((Block first, Block second, Block? shortcut, long stride) in _blocks)
        {
            Tensor y = Apply(second, Apply(first, x, stride, training).relu(), 1, training);
            x = y.add(shortcut is null ? x : Apply(shortcut, x, stride, training)).relu();
        }
        return functional.linear(Average(x), _w, _b);
    }

    private Block Make(long from, long to, long kernel)
        => new(Parameter(to, from, kernel, kernel), Parameter(to), Parameter(to), Buffer(to), Buffer(to), kernel / 2);

    private static Tensor Apply(Block block, Tensor x, long stride, bool training)
        => functional.batch_norm(Conv(x, block.Weight, null, block.Padding, stride), block.Mean, block.Variance,
            block.Scale, block.Shift, training, 0.1, 1e-5);

    private sealed record Block(Tensor Weight, Tensor Scale, Tensor Shift, Tensor Mean, Tensor Variance, long Padding);
}
