namespace ConvNet.Data;

/// <summary>A transform and the input that it is applied to.</summary>
/// <param name="Input">The name of the input; null for the only input of the data set.</param>
/// <param name="Transform">The transform.</param>
public sealed record InputTransform(string? Input, Transform Transform)
{
    /// <summary>Applies a transform to the only input.</summary>
    public static implicit operator InputTransform(Transform transform) => new(null, transform);

    /// <summary>Applies a transform to an input of several.</summary>
    public static implicit operator InputTransform((string Input, Transform Transform) of)
        => new(of.Input, of.Transform);

    /// <summary>Returns the transform and, if it has a name, the input.</summary>
    public override string ToString() => Input is null ? $"{Transform}" : $"{Transform} of {Input}";
}
