namespace ConvNet;

/// <summary>How a parameter starts that an initialiser of the layer's own draws, whichever
/// <see cref="ExecutableExtensions.Initialize"/> is given.</summary>
public sealed record DrawnInitialValue : InitialValue
{
    private readonly Func<int, Initializer> _initializer;

    /// <summary>Says who draws.</summary>
    /// <param name="initializer">Makes the initialiser for the seed of the given one, or for 0 where that has
    /// none.</param>
    public DrawnInitialValue(Func<int, Initializer> initializer)
        : base((float?)null)
    {
        ArgumentNullException.ThrowIfNull(initializer);
        _initializer = initializer;
    }

    /// <summary>The layer's own initialiser.</summary>
    internal Initializer For(int seed) => _initializer(seed);

    /// <inheritdoc/>
    public override string ToString() => "drawn by the layer";
}
