using static TorchSharp.Modules.GELU;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using PaddingModes = TorchSharp.PaddingModes;

namespace ConvNet;

/// <summary>The properties of the pass that a lowered node is called in.</summary>
/// <param name="N">The number of samples in the batch.</param>
/// <param name="Training">True in a training pass, false in inference.</param>
/// <param name="Number">The number of training forward passes before this one.</param>
/// <param name="FirstSample">The index of the first sample in the whole batch.</param>
/// <param name="Statistics">Adds up statistics of a batch that executables share; null if those of this batch are
/// used.</param>
internal readonly record struct Pass(int N, bool Training, long Number, int FirstSample,
    SharedStatistics? Statistics = null);

/// <summary>Computes a node with torch.</summary>
/// <param name="x">The outputs of the nodes that the node reads.</param>
/// <param name="pass">The pass that the call is part of.</param>
internal delegate Tensor TorchCall(Tensor[] x, Pass pass);

/// <summary>Translates the nodes of a graph into torch calls. Only this class maps layers to torch functions.</summary>
/// <remarks>A vector (F×1×1) becomes an N×F tensor, any other shape an N×C×H×W tensor.</remarks>
internal sealed class Lowering(Graph graph, int batchSize, ulong seed, TorchRuntime runtime) : IDisposable
{
    // The channels in a oneDNN block. From this number on, oneDNN is faster on maps in channels-last layout.
    private const int ChannelBlock = 16;

    // For an input gradient, oneDNN 3.7.1 loops over every position within the strides. It crashes with strides of 2^16
    // and of 2^18 to 2^20.
    private const int MostStrides = 1 << 15;

    private static readonly long[] s_one = [1, 1], s_none = [0, 0];

    // Dropout masks, and divisors of averages.
    private readonly List<HostBuffer<float>> _constants = [];

    /// <summary>Whether maps are stored in channels-last layout, which is faster with many channels.</summary>
    /// <remarks>
    /// Torch calls preserve the layout, so the layout of the input applies to the whole network. With channels-last
    /// layout, a training step takes 0.87 times as long for cifarnet, 0.74 times for resnet20, and 1.02 times for
    /// lenet5, which has 6 channels.
    /// </remarks>
    public bool ChannelsLast { get; } = runtime.AllowsChannelsLast
        && graph.Nodes.Any(node => node.Layer is Conv2d && node.Inputs[0].Shape.C >= ChannelBlock);

    /// <summary>Returns the call for a node and the name of its torch function.</summary>
    /// <param name="node">The node.</param>
    /// <param name="w">The parameters and buffers, in the layer's order.</param>
    /// <exception cref="NotSupportedException">Torch does not support the layer.</exception>
    public (string Function, TorchCall Call) Lower(Node node, Tensor[] w) => node.Layer switch
    {
        Relu => ("relu", (x, _) => x[0].relu()),
        Relu6 => ("relu6", (x, _) => functional.relu6(x[0])),
        // 0·∞ is NaN.
        LeakyRelu { NegativeSlope: 0 } => ("relu", (x, _) => x[0].relu()),
        LeakyRelu layer => ("leaky_relu", (x, _) => functional.leaky_relu(x[0], layer.NegativeSlope)),
        Clip layer => ("clamp", (x, _) => Limited(layer, x[0])),
        Prelu => ("prelu", (x, _) => functional.prelu(x[0], w[0])),
        Elu layer => ("elu", (x, _) => functional.elu(x[0], layer.Alpha)),
        Selu => ("selu", (x, _) => functional.selu(x[0])),
        Celu layer => ("celu", (x, _) => functional.celu(x[0], layer.Alpha)),
        Sigmoid => ("sigmoid", (x, _) => x[0].sigmoid()),
        Tanh => ("tanh", (x, _) => x[0].tanh()),
        HardSigmoid => ("hardsigmoid", (x, _) => functional.hardsigmoid(x[0])),
        HardSwish => ("hardswish", (x, _) => functional.hardswish(x[0])),
        Silu => ("silu", (x, _) => functional.silu(x[0])),
        Mish => ("mish", (x, _) => functional.mish(x[0])),
        Softplus layer => ("softplus", (x, _) => functional.softplus(x[0], layer.Beta, layer.Threshold)),
        Exp => ("exp", (x, _) => x[0].exp()),
        Log => ("log", (x, _) => x[0].log()),
        Erf => ("erf", (x, _) => x[0].erf()),
        Pow layer => ("pow", (x, _) => x[0].pow(layer.Exponent)),
        Threshold layer => ("threshold", (x, _) => functional.threshold(x[0], layer.Limit, layer.Constant)),
        Gelu layer => ("gelu",
            (x, _) => x[0].gelu(layer.Approximate == GeluApproximation.None ? Approximate.none : Approximate.tanh)),
        Add => ("add", (x, _) => x.Aggregate((sum, next) => sum.Plus(next))),
        Subtract => ("sub", (x, _) => x[0].sub(x[1])),
        Multiply => ("mul", (x, _) => OnMap(node, 0, x).mul(OnMap(node, 1, x))),
        LayerScale => ("mul", (x, _) => x[0].mul(node.Shape.IsVector ? w[0].reshape(-1) : w[0])),
        Concat => ("cat", (x, _) => cat(x, 1)),
        Flatten => ("flatten", (x, _) => x[0].flatten(1)),
        Linear layer => ("linear", (x, _) => functional.linear(x[0], w[0], layer.Bias ? w[1] : null)),
        Conv2d layer => ("conv2d", OnMaps(node, Conv(node, layer, w))),
        ConvTranspose2d layer => ("conv_transpose2d", OnMaps(node, ConvTranspose(node, layer, w))),
        MaxPool2d layer => ("max_pool2d", OnMaps(node, MaxPool(node, layer))),
        AvgPool2d layer => ("avg_pool2d", OnMaps(node, AvgPool(node, layer))),
        GlobalAvgPool2d => ("adaptive_avg_pool2d", OnMaps(node, x => functional.adaptive_avg_pool2d(x, s_one))),
        GlobalMaxPool2d => ("adaptive_max_pool2d", OnMaps(node, x => functional.adaptive_max_pool2d(x, s_one))),
        AdaptiveAvgPool2d layer => ("adaptive_avg_pool2d",
            OnMaps(node, x => functional.adaptive_avg_pool2d(x, Pair(layer.Output)))),
        AdaptiveMaxPool2d layer => ("adaptive_max_pool2d",
            OnMaps(node, x => functional.adaptive_max_pool2d(x, Pair(layer.Output)))),
        Pad2d layer => ("pad", OnMaps(node, Pad(layer))),
        Upsample layer => ("interpolate", OnMaps(node, Interpolate(layer))),
        PixelShuffle layer => ("pixel_shuffle", OnMaps(node, x => functional.pixel_shuffle(x, layer.Factor))),
        PixelUnshuffle layer => ("pixel_unshuffle", OnMaps(node, x => functional.pixel_unshuffle(x, layer.Factor))),
        ChannelShuffle layer => ("channel_shuffle", OnMaps(node, nn.ChannelShuffle(layer.Groups).call)),
        Permute layer => ("permute", OnMaps(node, x => x.permute([0, .. layer.Dimensions(node.Inputs[0].Shape).Order
            .Select(dimension => dimension + 1L)]))),
        Slice layer => ("narrow", OnMaps(node, x => x.narrow((int)layer.Axis + 1, layer.Start, layer.Length))),
        Reshape => ("reshape", (x, _) => x[0].reshape(Dimensions(node.Shape))),
        BatchNorm2d layer => ("batch_norm", (x, pass) => BatchNorm(layer, x[0], w, node.Shape, pass)),
        LayerNorm { Over: LayerNormAxes.Sample } layer => ("layer_norm", LayerNormOfSample(node, layer, w)),
        LayerNorm layer => ("layer_norm", OnMaps(node, x => functional.layer_norm(x.permute(0, 2, 3, 1),
            [node.Shape.C], layer.Affine ? w[0] : null, layer.Affine ? w[1] : null, layer.Epsilon)
            .permute(0, 3, 1, 2))),
        GroupNorm layer => ("group_norm", (x, _) => functional.group_norm(x[0], layer.Groups,
            layer.Affine ? w[0] : null, layer.Affine ? w[1] : null, layer.Epsilon)),
        InstanceNorm2d layer => ("instance_norm", OnMaps(node, x => functional.instance_norm(x,
            weight: layer.Affine ? w[0] : null, bias: layer.Affine ? w[1] : null, eps: layer.Epsilon))),
        LocalResponseNorm layer => ("local_response_norm", OnMaps(node,
            x => functional.local_response_norm(x, layer.Size, layer.Alpha, layer.Beta, layer.K))),
        Softmax => ("softmax", (x, _) => x[0].softmax(1)),
        LogSoftmax => ("log_softmax", (x, _) => x[0].log_softmax(1)),
        RandomDrop layer => ("mul", Drop(layer, node)),
        Layer layer => throw new NotSupportedException(
            $"{node.Name}: the torchsharp backend does not support the layer \"{layer.Kind}\" "
                + $"({layer.GetType().Name}). Use the managed backend, which runs every layer."),
        null => throw new ArgumentException($"{node.Name} is an input, not a layer.", nameof(node)),
    };

    /// <summary>Converts a batch of input into the tensor that the first calls read.</summary>
    /// <param name="values">The values, dense N×C×H×W.</param>
    /// <param name="shape">The shape of one sample.</param>
    public Tensor Input(Tensor values, Shape shape)
    {
        Tensor x = values.reshape(Dimensions(shape));
        return ChannelsLast && !shape.IsVector ? x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) : x;
    }

    /// <summary>Returns the dimensions of a node's tensor. −1 represents the number of samples.</summary>
    private static long[] Dimensions(Shape shape) => shape.IsVector ? [-1, shape.C] : [-1, shape.C, shape.H, shape.W];

    public void Dispose() => _constants.ForEach(values => values.Dispose());

    /// <summary>Returns the channel padding of a node's convolution and the reason. Null if the node is not a
    /// convolution or padding is disabled.</summary>
    public NodePadding? PaddingOf(Node node) => node.Layer switch
    {
        Conv2d conv when runtime.PadsChannels => new(PaddedChannels.Of(
            node.Inputs[0].Shape.C / conv.Groups, conv.OutChannels / conv.Groups, conv.Groups, conv.Window), false),
        // The sizes of the convolution whose input gradient it computes.
        ConvTranspose2d conv when runtime.PadsChannels => new(PaddedChannels.Of(
            conv.OutChannels / conv.Groups, node.Inputs[0].Shape.C / conv.Groups, conv.Groups, conv.Window), true),
        _ => null,
    };

    private Func<Tensor, Tensor> Conv(Node node, Conv2d layer, Tensor[] w)
    {
        long[] stride = Pair(layer.Window.Stride), padding = Sides.Both(layer.Window.Padding),
            dilation = Pair(layer.Window.Dilation), rest = Sides.Rest(layer.Window.Padding);
        return Convolution(node, layer.Window, layer.Groups, w[0], layer.Bias ? w[1] : null, (x, weights, bias)
            => functional.conv2d(Sides.Pad(x, rest), weights, bias, stride, padding, dilation, layer.Groups));
    }

    private Func<Tensor, Tensor> ConvTranspose(Node node, ConvTranspose2d layer, Tensor[] w)
    {
        long[] stride = Pair(layer.Window.Stride), padding = Sides.Both(layer.Window.Padding),
            dilation = Pair(layer.Window.Dilation), outputPadding = Pair(layer.OutputPadding),
            crop = [.. Sides.Rest(layer.Window.Padding).Select(size => -size)];
        return Convolution(node, layer.Window, layer.Groups, w[0], layer.Bias ? w[1] : null,
            (x, weights, bias) => Sides.Pad(functional.conv_transpose2d(
                x, weights, bias, stride, padding, outputPadding, dilation, layer.Groups), crop));
    }

    private Func<Tensor, Tensor> Convolution(Node node, Window window, long groups, Tensor w, Tensor? bias,
        Func<Tensor, Tensor, Tensor?, Tensor> convolve)
    {
        if (window.Stride.Area > MostStrides)
        {
            throw new NotSupportedException($"{node.Name}: the stride {window.Stride} exceeds the limit of the "
                + FormattableString.Invariant($"torchsharp backend, {MostStrides:N0} (rows times columns), above ")
                + "which libtorch takes minutes or ends the process. Use another backend.");
        }
        if (PaddingOf(node) is not { Size.Adds: true } found)
            return x => convolve(x, w, bias);

        // Zeros are appended to the channels and filters of every group. Torch's autograd removes them from the
        // gradients.
        (Shape from, Shape to, Extent kernel) = (node.Inputs[0].Shape, node.Shape, window.Kernel);
        ((int channels, int filters), (int allChannels, int allFilters), _) = found.Size;
        ((int read, int allRead), (int made, int allMade)) = (found.Read, found.Made);
        return x =>
        {
            Tensor wide = read == allRead ? x
                : functional.pad(x.reshape(-1, groups, read, from.H, from.W), [0, 0, 0, 0, 0, allRead - read])
                    .reshape(-1, groups * allRead, from.H, from.W);
            Tensor weights = functional.pad(w.reshape(groups, filters, channels, kernel.H, kernel.W),
                    [0, 0, 0, 0, 0, allChannels - channels, 0, allFilters - filters])
                .reshape(groups * allFilters, allChannels, kernel.H, kernel.W);
            Tensor? added = bias is null || made == allMade ? bias
                : functional.pad(bias.reshape(groups, made), [0, allMade - made]).reshape(-1);
            Tensor y = convolve(wide, weights, added);
            return made == allMade ? y
                : y.reshape(-1, groups, allMade, to.H, to.W).narrow(2, 0, made).reshape(-1, to.C, to.H, to.W);
        };
    }

    private static Func<Tensor, Tensor> MaxPool(Node node, MaxPool2d layer)
    {
        long[] kernel = Pair(layer.Window.Kernel), stride = Pair(layer.Window.Stride),
            dilation = Pair(layer.Window.Dilation);
        if (!layer.Window.Padding.IsSymmetric)
        {
            long[] sides = AsFarAsWindowsReach(node, layer.Window);
            return x => functional.max_pool2d(Sides.Pad(x, sides, double.NegativeInfinity), kernel, stride, s_none,
                dilation);
        }
        long[] padding = Sides.Both(layer.Window.Padding);
        bool roundsUp = layer.Window.Rounding == Rounding.Ceiling;
        return x => functional.max_pool2d(x, kernel, stride, padding, dilation, roundsUp);
    }

    private Func<Tensor, Tensor> AvgPool(Node node, AvgPool2d layer)
    {
        long[] kernel = Pair(layer.Window.Kernel), stride = Pair(layer.Window.Stride);
        if (!layer.Window.Padding.IsSymmetric)
            return UnevenAvgPool(node, layer, kernel, stride);
        long[] padding = Sides.Both(layer.Window.Padding);
        bool roundsUp = layer.Window.Rounding == Rounding.Ceiling;
        long? divisor = layer.DivisorOverride > 0 ? layer.DivisorOverride : null;
        return x => functional.avg_pool2d(x, kernel, stride, padding, roundsUp, layer.CountIncludePad, divisor);
    }

    // Torch pads opposite sides equally. This computes the sums over windows of padded maps and divides each by the
    // number of values that it counts.
    private Func<Tensor, Tensor> UnevenAvgPool(Node node, AvgPool2d layer, long[] kernel, long[] stride)
    {
        (Shape x, Shape y, Padding padding) = (node.Inputs[0].Shape, node.Shape, layer.Window.Padding);
        Extent most = layer.CountIncludePad ? (x.H + padding.Bottom, x.W + padding.Right) : (x.H, x.W);
        Extent least = layer.CountIncludePad ? (-padding.Top, -padding.Left) : (0, 0);
        var counts = new HostBuffer<float>(y.Area, ScalarType.Float32);
        _constants.Add(counts);
        for (int i = 0; i < y.Area; i++)
        {
            (int row, int column) = Math.DivRem(i, y.W);
            int top = row * layer.Window.Stride.H - padding.Top, left = column * layer.Window.Stride.W - padding.Left;
            int rows = Math.Min(top + layer.Window.Kernel.H, most.H) - Math.Max(top, least.H);
            int columns = Math.Min(left + layer.Window.Kernel.W, most.W) - Math.Max(left, least.W);
            counts.Values[i] = layer.DivisorOverride > 0 ? layer.DivisorOverride : (float)((long)rows * columns);
        }
        long[] sides = AsFarAsWindowsReach(node, layer.Window);
        return values => functional.avg_pool2d(Sides.Pad(values, sides), kernel, stride, s_none, false, true, 1)
            .div(counts.First(y.Area).reshape(y.H, y.W));
    }

    // Returns the padding of a pool, extended up to the end of its last window. Negative if that window ends inside the
    // map.
    private static long[] AsFarAsWindowsReach(Node node, Window window)
    {
        (Shape x, Shape y, Padding padding) = (node.Inputs[0].Shape, node.Shape, window.Padding);
        long below = (y.H - 1L) * window.Stride.H + window.Reach.H - padding.Top - x.H,
            beside = (y.W - 1L) * window.Stride.W + window.Reach.W - padding.Left - x.W;
        return [padding.Left, beside, padding.Top, below];
    }

    private static Func<Tensor, Tensor> Pad(Pad2d layer)
    {
        (int top, int left, int bottom, int right) = layer.Padding;
        PaddingModes mode = layer.Mode switch
        {
            PadMode.Reflect => PaddingModes.Reflect,
            PadMode.Replicate => PaddingModes.Replicate,
            _ => PaddingModes.Constant,
        };
        return x => functional.pad(x, [left, right, top, bottom], mode);
    }

    private static Func<Tensor, Tensor> Interpolate(Upsample layer)
    {
        long[]? size = layer.Size == default ? null : Pair(layer.Size);
        double[]? scale = size is null ? [layer.Scale.Decimals.H, layer.Scale.Decimals.W] : null;
        bool bilinear = layer.Mode == UpsampleMode.Bilinear;
        InterpolationMode mode = bilinear ? InterpolationMode.Bilinear : InterpolationMode.Nearest;
        return x => functional.interpolate(x, size, scale, mode, bilinear ? layer.AlignCorners : null);
    }

    // Layers with a sliding window require N×C×H×W, even for a map of one value.
    private static TorchCall OnMaps(Node node, Func<Tensor, Tensor> call)
    {
        Shape from = node.Inputs[0].Shape;
        long[] maps = [-1, from.C, 1, 1], vector = [-1, node.Shape.C];
        return (x, _) =>
        {
            Tensor y = call(from.IsVector ? x[0].reshape(maps) : x[0]);
            return node.Shape.IsVector ? y.reshape(vector) : y;
        };
    }

    private static Tensor BatchNorm(BatchNorm2d layer, Tensor x, Tensor[] w, Shape shape, Pass pass)
    {
        (Tensor? scale, Tensor? shift) = layer.Affine ? (w[0], w[1]) : (null, null);
        Tensor[] statistics = layer.Affine ? w[2..] : w;
        // As torch's module does it: the momentum of averages is the inverse of the number of batches.
        double momentum = layer.Momentum ?? (pass.Training ? 1.0 / ++statistics[2].Floats()[0] : 0);
        if (pass is { Training: true, Statistics: { } shared })
            return SharedBatchNorm(layer, x, scale, shift, statistics, momentum, shared.Samples * (long)shape.Area,
                shared);
        if (pass.Training && pass.N * shape.Area == 1)
            return BatchNormOfOneValue((float)momentum, x, scale, shift, statistics[0]);
        return functional.batch_norm(x, statistics[0], statistics[1], scale, shift, pass.Training, momentum,
            layer.Epsilon);
    }

    // Batch normalisation by its definition, over count values of a channel that executables share.
    private static Tensor SharedBatchNorm(BatchNorm2d layer, Tensor x, Tensor? scale, Tensor? shift,
        Tensor[] statistics, double momentum, long count, SharedStatistics shared)
    {
        long[] over = x.dim() == 2 ? [0] : [0, 2, 3], channels = x.dim() == 2 ? [1, -1] : [1, -1, 1, 1];
        Tensor mean = SharedSum.Of(x.sum(over), shared).div(count);
        // The deviations from the mean add up to 0, so that the squares do not depend on it.
        Tensor squares = SharedSum.Of(x.sub(mean.detach().reshape(channels)).square().sum(over), shared),
            inverse = squares.div(count).add(layer.Epsilon).rsqrt(),
            y = x.sub(mean.reshape(channels)).mul(inverse.reshape(channels));
        using (no_grad())
        {
            statistics[0].mul_(1 - momentum).add_(mean.detach(), alpha: momentum);
            if (count > 1)
                statistics[1].mul_(1 - momentum).add_(squares.detach(), alpha: momentum / (count - 1));
        }
        return scale is null ? y : y.mul(scale.reshape(channels)).add(shift!.reshape(channels));
    }

    // Torch rejects a batch with one value per channel, which has no unbiased variance. In this case x̂ and its
    // gradient are 0.
    private static Tensor BatchNormOfOneValue(float momentum, Tensor x, Tensor? scale, Tensor? shift, Tensor mean)
    {
        Span<float> runningMean = mean.Floats();
        ReadOnlySpan<float> values = x.contiguous().Floats();
        for (int c = 0; c < values.Length; c++)
            runningMean[c] = (1 - momentum) * runningMean[c] + momentum * values[c];
        Tensor zeros = x.sub(x);
        return scale is null ? zeros : zeros.mul(scale).Plus(shift!);
    }

    private static TorchCall LayerNormOfSample(Node node, LayerNorm layer, Tensor[] w)
    {
        long[] sizes = Dimensions(node.Shape)[1..];
        return (x, _) => functional.layer_norm(x[0], sizes, layer.Affine ? w[0] : null, layer.Affine ? w[1] : null,
            layer.Epsilon);
    }

    // The derivative of clamp is 1 at the limits. The tensor that TorchSharp's hardtanh returns is already disposed.
    private static Tensor Limited(Clip layer, Tensor x) => where(x.gt(layer.Min).logical_and(x.lt(layer.Max)), x,
        x.clamp(layer.Min, layer.Max).detach());

    // A scale of one value per channel is a vector beside a map.
    private static Tensor OnMap(Node node, int input, Tensor[] x)
        => node.Inputs[input].Shape.IsVector && !node.Shape.IsVector ? x[input].reshape(-1, node.Shape.C, 1, 1)
            : x[input];

    private TorchCall Drop(RandomDrop layer, Node node)
    {
        int sample = node.Shape.Length, length = layer.GroupLength(node.Shape);
        var mask = new HostBuffer<float>(length == 0 ? 1 : batchSize * (sample / length), ScalarType.Float32);
        _constants.Add(mask);
        // A mask has a value for each group of values: for every one, map, or sample, or for the whole batch.
        long[] dimensions = [.. Dimensions(node.Shape)];
        long kept = 1;
        for (int i = dimensions.Length - 1; i > 0 && kept * dimensions[i] <= (length == 0 ? sample : length); i--)
            (kept, dimensions[i]) = (kept * dimensions[i], 1);
        return (x, pass) =>
        {
            if (!pass.Training)
                return x[0].alias();
            Span<float> values = mask.Values[..(length == 0 ? 1 : pass.N * (sample / length))];
            long first = length == 0 ? 0 : (long)pass.FirstSample * (sample / length);
            for (int i = 0; i < values.Length; i++)
                values[i] = layer.Drops(seed, node.Index, pass.Number, first + i) ? 0 : layer.Scale;
            return x[0].mul(mask.First(values.Length).reshape(dimensions));
        };
    }

    private static long[] Pair(Extent extent) => [extent.H, extent.W];
}
