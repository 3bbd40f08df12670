using Type = Onnx.TensorProto.Types.DataType;

namespace ConvNet.Onnx;

/// <summary>What the elements of a constant are.</summary>
internal enum ElementKind
{
    /// <summary>Real numbers, in single precision.</summary>
    Real,

    /// <summary>Whole numbers, in 64 bits.</summary>
    Whole,

    /// <summary>Truth values, 0 or 1.</summary>
    Truth,
}

/// <summary>A constant of an ONNX graph.</summary>
/// <remarks>Real values are stored as <see cref="float"/>, all others as <see cref="long"/>. They are decoded when they
/// are first used, so that a large file takes memory for the constants that are imported only.</remarks>
internal sealed class OnnxTensor
{
    private readonly Lazy<float[]> _reals;
    private readonly Lazy<long[]> _wholes;

    private OnnxTensor(ElementKind kind, long[] sizes, Func<float[]> reals, Func<long[]> wholes)
    {
        (Kind, Sizes, _reals, _wholes) = (kind, sizes, new(reals), new(wholes));
        Type = kind switch
        {
            ElementKind.Real => Type.Float,
            ElementKind.Truth => Type.Bool,
            _ => Type.Int64,
        };
        Length = Views.Product(sizes);
    }

    /// <summary>Creates a constant of real numbers that are decoded when they are needed.</summary>
    public static OnnxTensor OfReals(long[] sizes, Func<float[]> values)
        => new(ElementKind.Real, sizes, values, () => throw new InvalidOperationException());

    /// <summary>Creates a constant of real numbers.</summary>
    public static OnnxTensor Of(long[] sizes, float[] values) => OfReals(sizes, () => values);

    /// <summary>Creates a constant of whole numbers or truth values that are decoded when they are needed.</summary>
    public static OnnxTensor OfWholes(long[] sizes, Func<long[]> values, ElementKind kind = ElementKind.Whole)
        => new(kind, sizes, () => throw new InvalidOperationException(), values);

    /// <summary>Creates a constant of whole numbers or truth values.</summary>
    public static OnnxTensor Of(long[] sizes, long[] values, ElementKind kind = ElementKind.Whole)
        => OfWholes(sizes, () => values, kind);

    /// <summary>Creates a list of whole numbers.</summary>
    public static OnnxTensor List(params long[] values) => Of([values.Length], values);

    /// <summary>What the elements are.</summary>
    public ElementKind Kind { get; }

    /// <summary>The type of whole numbers in the file. Their arithmetic wraps to it.</summary>
    public Type Type { get; private init; }

    /// <summary>The sizes of the dimensions; none for a scalar.</summary>
    public long[] Sizes { get; }

    /// <summary>The number of elements.</summary>
    public long Length { get; }

    /// <summary>Whether a value was computed from the free number of samples, for which
    /// <see cref="ImportContext.FreeBatch"/> stands.</summary>
    public bool DependsOnBatch { get; private init; }

    /// <summary>The real values.</summary>
    public float[] Reals => _reals.Value;

    /// <summary>The whole values.</summary>
    public long[] Wholes => _wholes.Value;

    /// <summary>The value at an index, as a real number.</summary>
    public double At(long index) => Kind == ElementKind.Real ? Reals[index] : Wholes[index];

    /// <summary>The values as whole numbers; real ones are rounded towards zero.</summary>
    public long[] ToWholes() => Kind == ElementKind.Real ? Array.ConvertAll(Reals, Truncated) : Wholes;

    /// <summary>The values as real numbers.</summary>
    public float[] ToReals() => Kind == ElementKind.Real ? Reals : Array.ConvertAll(Wholes, value => (float)value);

    /// <summary>The same constant, which depends on the free number of samples.</summary>
    public OnnxTensor Marked() => new(Kind, Sizes, () => Reals, () => Wholes) { DependsOnBatch = true, Type = Type };

    /// <summary>The same values as whole numbers of another type, which has them.</summary>
    public OnnxTensor WithType(Type type) => new(Kind, Sizes, () => Reals, () => Wholes)
    {
        DependsOnBatch = DependsOnBatch,
        Type = type,
    };

    /// <summary>The values as whole numbers of another type; those that it does not have wrap.</summary>
    public OnnxTensor Wrapped(Type type) => OfWholes(Sizes, () => Array.ConvertAll(Wholes, value => type switch
    {
        Type.Int8 => unchecked((sbyte)value),
        Type.Uint8 => unchecked((byte)value),
        Type.Int16 => unchecked((short)value),
        Type.Uint16 => unchecked((ushort)value),
        Type.Int32 => unchecked((int)value),
        Type.Uint32 => unchecked((uint)value),
        _ => value,
    }), Kind).WithType(type);

    /// <summary>The constant with other sizes of the same product.</summary>
    public OnnxTensor WithSizes(long[] sizes) => new(Kind, sizes, () => Reals, () => Wholes)
    {
        DependsOnBatch = DependsOnBatch,
        Type = Type,
    };

    private static long Truncated(float value) => float.IsNaN(value) ? 0
        : value >= long.MaxValue ? long.MaxValue : value <= long.MinValue ? long.MinValue : (long)value;
}
