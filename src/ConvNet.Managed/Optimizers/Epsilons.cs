using static System.FormattableString;

namespace ConvNet;

/// <summary>The attribute ε of optimisers, which is added to a divisor.</summary>
internal static class Epsilons
{
    /// <summary>Declares the attribute ε of an optimiser.</summary>
    public static AttributeDeclaration<double> Declare<T>(Func<T, double> get, double otherwise)
        => AttributeDeclaration.Number("epsilon", get, NumberInterval.AboveZero, otherwise,
            "Added to the denominator, to avoid divisions by zero");

    /// <summary>Throws if ε is 0 or infinite in float32.</summary>
    public static void CheckSingle(double epsilon)
    {
        if ((float)epsilon is not (> 0 and < float.PositiveInfinity))
            throw new ArgumentOutOfRangeException(nameof(epsilon),
                Invariant($"Epsilon {epsilon} is {(float)epsilon} in float32; it must be finite and above 0. A usual ")
                    + "value is 1E-08.");
    }
}
