namespace ConvNet;

/// <summary>Base class of convolution and transposed convolution: filters with a window, groups and a bias.</summary>
public abstract record Convolution2d : SumLayer
{
    private protected const int UsualGroups = 1;
    private protected const bool UsualBias = true;

    private protected Convolution2d(int outChannels, in Window window, int groups, bool bias)
    {
        (OutChannels, Groups, Bias) = (OutChannelsAttribute.Check(Kind, outChannels),
            GroupsAttribute.Check(Kind, groups), bias);
        if (outChannels % groups != 0)
        {
            throw new ArgumentException($"{Kind}: {outChannels} output channels are not divisible by {groups} groups. "
                + $"Groups {Nearest(outChannels, groups)} fits.", nameof(groups));
        }
        Window = window;
        Window.Validate(Kind);
    }

    /// <summary>K, the number of output channels.</summary>
    public int OutChannels { get; }

    /// <summary>Kernel, stride, padding and dilation. For a transposed convolution, they describe the convolution that
    /// maps its output to its input.</summary>
    public Window Window { get; }

    /// <summary>The number of channel groups; a filter uses only its own group.</summary>
    public int Groups { get; }

    /// <summary>Whether a bias is added.</summary>
    public bool Bias { get; }

    /// <inheritdoc/>
    public sealed override bool IsBilinear => true;

    /// <inheritdoc/>
    public sealed override BackwardReads BackwardReads => BackwardReads.Inputs;

    /// <inheritdoc/>
    public sealed override Shape Infer(params ReadOnlySpan<Shape> inputs)
    {
        Shape x = Single(inputs);
        return x.C % Groups == 0
            ? OutputOf(x)
            : throw ArgumentErrors.WithAdvice($"{x.C} input channels are not divisible by {Groups} groups.",
                $"Groups {Nearest(Common(x.C, OutChannels), Groups)} fits.");
    }

    /// <inheritdoc/>
    public sealed override IReadOnlyList<ParameterSpec> Parameters(params ReadOnlySpan<Shape> inputs)
    {
        ParameterSpec weight = WeightOf(inputs[0]);
        return Bias
            ? [weight, new ParameterSpec("bias", ParameterRole.Bias, [OutChannels], weight.FanIn, weight.FanOut)]
            : [weight];
    }

    private protected static WindowAttributes WindowAttributes { get; }
        = ConvNet.WindowAttributes.Of<Convolution2d>(layer => layer.Window, (Extent)1, pools: false);

    private protected static AttributeDeclaration<int> OutChannelsAttribute { get; }
        = AttributeDeclaration.Integer<Convolution2d>("outChannels", layer => layer.OutChannels,
            role: AttributeRole.Channels, multipleOf: layer => layer.Groups, formerName: "filters");

    private protected static AttributeDeclaration<int> GroupsAttribute { get; }
        = AttributeDeclaration.Integer<Convolution2d>("groups", layer => layer.Groups, UsualGroups,
            role: AttributeRole.Groups);

    private protected static AttributeDeclaration<Extent> DilationAttribute { get; }
        = AttributeDeclaration.Size<Convolution2d>("dilation", layer => layer.Window.Dilation, 1, Limits.Window,
            (Extent)1, role: AttributeRole.Dilation);

    private protected static AttributeDeclaration<bool> BiasAttribute { get; }
        = AttributeDeclaration.Flag<Convolution2d>("bias", layer => layer.Bias, UsualBias);

    /// <summary>Returns the output shape for an input whose channels are divisible by the groups.</summary>
    private protected abstract Shape OutputOf(Shape x);

    /// <summary>Returns the specification of the weights.</summary>
    private protected abstract ParameterSpec WeightOf(Shape x);

    private protected static int Common(int a, int b)
    {
        while (b != 0)
            (a, b) = (b, a % b);
        return a;
    }

    // The largest divisor of the channels that is at most the number of groups.
    private static int Nearest(int channels, int groups)
    {
        int nearest = 1;
        for (int small = 1; small <= channels / small; small++)
        {
            int large = channels / small;
            if (channels % small == 0)
                nearest = Math.Max(nearest, large <= groups ? large : small <= groups ? small : 1);
        }
        return nearest;
    }
}
