namespace ConvNet;

/// <summary>An initial value drawn by the layer's own initialiser, regardless of the one passed to
/// <see cref="ExecutableExtensions.Initialize"/>.</summary>
public sealed record DrawnInitialValue : InitialValue
{
    private readonly Func<int, Initializer> _initializer;

    /// <summary>Creates an initial value that is drawn by an initialiser.</summary>
    /// <param name="initializer">Creates the initialiser, given the seed of the one passed to
    /// <see cref="ExecutableExtensions.Initialize"/>, or 0 if that has no seed.</param>
    /// <exception cref="ArgumentNullException"><paramref name="initializer"/> is null.</exception>
    public DrawnInitialValue(Func<int, Initializer> initializer)
        : base((float?)null)
    {
        ArgumentNullException.ThrowIfNull(initializer);
        _initializer = initializer;
    }

    /// <summary>Returns the layer's own initialiser.</summary>
    internal Initializer For(int seed) => _initializer(seed);

    /// <inheritdoc/>
    public override string ToString() => "random, from the layer";
}
