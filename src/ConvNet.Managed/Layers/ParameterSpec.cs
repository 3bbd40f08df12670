namespace ConvNet;

/// <summary>The role of a parameter. It determines whether the optimiser updates it, and its initial value unless its
/// layer specifies one.</summary>
public enum ParameterRole
{
    /// <summary>A weight, initialised at random.</summary>
    Weight,

    /// <summary>A bias, initially 0.</summary>
    Bias,

    /// <summary>A scale (γ of batch normalisation), initially 1.</summary>
    Scale,

    /// <summary>A running mean: a buffer that the forward pass updates, initially 0.</summary>
    RunningMean,

    /// <summary>A running variance: a buffer that the forward pass updates, initially 1.</summary>
    RunningVariance,

    /// <summary>The number of batches that running statistics are averages of: a buffer that the forward pass
    /// increments, initially 0.</summary>
    BatchCount,
}

/// <summary>Defaults that depend on the role of a parameter.</summary>
internal static class ParameterRoles
{
    /// <summary>Returns the initial value of a parameter whose layer specifies none.</summary>
    public static InitialValue Initial(this ParameterRole role) => role switch
    {
        ParameterRole.Weight => InitialValue.ByFans,
        ParameterRole.Scale or ParameterRole.RunningVariance => InitialValue.Ones,
        _ => InitialValue.Zeros,
    };
}

/// <summary>The specification of one parameter of a layer.</summary>
/// <param name="Name">The name within the layer, such as <c>weight</c>.</param>
/// <param name="Role">The role of the parameter.</param>
/// <param name="Dimensions">The dimensions, outermost first: O, I, H, W for a convolution; O, I for a linear
/// layer.</param>
/// <param name="FanIn">The number of inputs that one output sums over; scales random initial values.</param>
/// <param name="FanOut">The number of outputs that one input contributes to.</param>
public sealed record ParameterSpec(string Name, ParameterRole Role, IReadOnlyList<int> Dimensions, long FanIn = 1,
    long FanOut = 1)
{
    private readonly InitialValue? _initial;

    /// <summary>The initial value; by default it depends on the role. For a buffer it is a constant.</summary>
    public InitialValue Initial
    {
        get => _initial ?? Role.Initial();
        init => _initial = value;
    }

    /// <summary>True if the optimiser updates the parameter; false for a buffer, which the forward pass
    /// updates.</summary>
    public bool Trainable => Role is ParameterRole.Weight or ParameterRole.Bias or ParameterRole.Scale;

    /// <summary>The number of values: the product of the dimensions.</summary>
    /// <exception cref="ArgumentException">The number exceeds the maximum length of an array.</exception>
    public int Length
    {
        get
        {
            long length = Dimensions.Aggregate(1L, (product, size) => Math.Min(product * size, long.MaxValue >> 31));
            return length <= Array.MaxLength
                ? (int)length
                : throw new ArgumentException(
                    $"The parameter \"{Name}\" of {string.Join("×", Dimensions)} is too large: the limit is "
                    + $"{Array.MaxLength:N0} values.");
        }
    }

    /// <inheritdoc/>
    public override string ToString() => RecordText.Of(nameof(ParameterSpec), (nameof(Name), Name),
        (nameof(Role), Role), (nameof(Dimensions), Dimensions), (nameof(FanIn), FanIn), (nameof(FanOut), FanOut),
        (nameof(Initial), Initial));
}
