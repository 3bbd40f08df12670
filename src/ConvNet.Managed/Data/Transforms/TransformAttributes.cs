namespace ConvNet.Data;

/// <summary>Declares the attributes that several transforms have.</summary>
internal static class TransformAttributes
{
    /// <summary>The name of the attribute that is the size of the result.</summary>
    public const string SizeName = "size";

    /// <summary>The name of the attribute that is the largest pixel value.</summary>
    public const string MaxValueName = "maxValue";

    /// <summary>The largest pixel value of most image files.</summary>
    public const float UsualMaxValue = byte.MaxValue;

    /// <summary>Numbers from 0 to 1, both included.</summary>
    public static NumberInterval Share { get; } = new(0, 1, HasLeast: true, HasMost: true);

    /// <summary>Numbers above 0 and at most 1.</summary>
    public static NumberInterval PositiveShare { get; } = new(0, 1, HasLeast: false, HasMost: true);

    /// <summary>Angles in degrees.</summary>
    public static NumberInterval Angle { get; } = new(-360, 360, HasLeast: true, HasMost: true);

    /// <summary>Angles of a shear in degrees.</summary>
    public static NumberInterval ShearAngle { get; } = new(-90, 90, HasLeast: false, HasMost: false);

    /// <summary>Declares the rows and columns of the result.</summary>
    public static AttributeDeclaration<Extent> Size<TOwner>(Func<TOwner, Extent> get)
        => AttributeDeclaration.Size(SizeName, get, 1, int.MaxValue);

    /// <summary>Declares the probability that a transform is applied.</summary>
    public static AttributeDeclaration<double> Probability<TOwner>(Func<TOwner, double> get, double usual)
        => AttributeDeclaration.Number("probability", get, Share, usual);

    /// <summary>Declares the largest pixel value.</summary>
    public static AttributeDeclaration<float> MaxValue<TOwner>(Func<TOwner, float> get)
        => AttributeDeclaration.Number(MaxValueName, get, NumberInterval.AboveZero, UsualMaxValue);

    /// <summary>Declares the value of pixels that show nothing of the image.</summary>
    /// <param name="name">The name in files.</param>
    /// <param name="get">Returns the value of a transform.</param>
    public static AttributeDeclaration<float> Fill<TOwner>(string name, Func<TOwner, float> get)
        => AttributeDeclaration.Number(name, get, NumberInterval.Finite, 0f);
}
