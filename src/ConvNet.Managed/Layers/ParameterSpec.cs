namespace ConvNet;

/// <summary>What a parameter is for; it decides whether the optimiser moves it, and where it starts unless its layer
/// says otherwise.</summary>
public enum ParameterRole
{
    /// <summary>A weight: initialised at random.</summary>
    Weight,

    /// <summary>A bias: starts at 0.</summary>
    Bias,

    /// <summary>A scale (batch norm's γ): starts at 1.</summary>
    Scale,

    /// <summary>A running mean: a buffer that the forward pass updates; starts at 0.</summary>
    RunningMean,

    /// <summary>A running variance: a buffer that the forward pass updates; starts at 1.</summary>
    RunningVariance,
}

/// <summary>What follows from the role of a parameter.</summary>
internal static class ParameterRoles
{
    /// <summary>Where a parameter starts whose layer does not say.</summary>
    public static InitialValue Initial(this ParameterRole role) => role switch
    {
        ParameterRole.Weight => InitialValue.ByFans,
        ParameterRole.Scale or ParameterRole.RunningVariance => InitialValue.Ones,
        _ => InitialValue.Zeros,
    };
}

/// <summary>What a layer says of one of its parameters.</summary>
/// <param name="Name">The name within the layer, as <c>weight</c>.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Dimensions">Its sizes, the outermost first: O, I, H, W of a convolution, O, I of a linear
/// layer.</param>
/// <param name="FanIn">Inputs that one output sums over; scales random initial values.</param>
/// <param name="FanOut">Outputs that one input reaches.</param>
public sealed record ParameterSpec(string Name, ParameterRole Role, IReadOnlyList<int> Dimensions, long FanIn = 1,
    long FanOut = 1)
{
    private readonly InitialValue? _initial;

    /// <summary>How it starts; by its role unless given. A buffer starts at a constant.</summary>
    public InitialValue Initial
    {
        get => _initial ?? Role.Initial();
        init => _initial = value;
    }

    /// <summary>True when the optimiser moves it; false for a buffer, which the forward pass updates.</summary>
    public bool Trainable => Role is ParameterRole.Weight or ParameterRole.Bias or ParameterRole.Scale;

    /// <summary>The number of values: the product of the dimensions.</summary>
    /// <exception cref="ArgumentException">They are more than an array holds.</exception>
    public int Length
    {
        get
        {
            long length = Dimensions.Aggregate(1L, (product, size) => Math.Min(product * size, long.MaxValue >> 31));
            return length <= Array.MaxLength
                ? (int)length
                : throw new ArgumentException(
                    $"A parameter \"{Name}\" of {string.Join("×", Dimensions)} is too large: at most "
                    + $"{Array.MaxLength:N0} values.");
        }
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ParameterSpec), (nameof(Name), Name),
        (nameof(Role), Role), (nameof(Dimensions), Dimensions), (nameof(FanIn), FanIn), (nameof(FanOut), FanOut),
        (nameof(Initial), Initial));
}
