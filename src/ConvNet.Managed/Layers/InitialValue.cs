using static System.FormattableString;

namespace ConvNet;

/// <summary>The initial value of a parameter: a constant, or drawn at random.</summary>
/// <remarks>
/// A layer sets it for each parameter with <see cref="ParameterSpec.Initial"/>; otherwise the role decides. Weights
/// are then drawn by the initialiser passed to <see cref="ExecutableExtensions.Initialize"/>, scales and running
/// variances start at 1, and everything else starts at 0.
/// </remarks>
public record InitialValue
{
    private protected InitialValue(float? value) => Value = value;

    /// <summary>All values are 0.</summary>
    public static InitialValue Zeros { get; } = Constant(0);

    /// <summary>All values are 1.</summary>
    public static InitialValue Ones { get; } = Constant(1);

    /// <summary>Values are drawn by the initialiser passed to <see cref="ExecutableExtensions.Initialize"/>, which
    /// scales them by <see cref="Parameter.FanIn"/> and <see cref="Parameter.FanOut"/>.</summary>
    public static InitialValue ByFans { get; } = new((float?)null);

    /// <summary>The constant; null if values are drawn.</summary>
    public float? Value { get; }

    /// <summary>Returns an initial value that is the same constant everywhere.</summary>
    /// <param name="value">The constant.</param>
    /// <exception cref="ArgumentOutOfRangeException">The constant is not finite.</exception>
    public static InitialValue Constant(float value) => float.IsFinite(value)
        ? new((float?)value)
        : throw new ArgumentOutOfRangeException(nameof(value),
            Invariant($"The initial value of a parameter is {value}; it must be a finite number."));

    /// <inheritdoc/>
    public override string ToString() => Value is { } value ? Invariant($"{value}") : "random, from the fans";
}
