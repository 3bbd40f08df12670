using System.Globalization;
using System.Text;

namespace ConvNet.Measurement;

/// <summary>The operator that a descriptor describes.</summary>
public enum LayerOperator
{
    /// <summary>A convolution; without a kernel size, a linear layer.</summary>
    Sum,

    /// <summary>Max pooling: <c>max:</c>.</summary>
    MaxPool,

    /// <summary>Average pooling that includes the padding in the average: <c>avg_p:</c>, as in benchdnn.</summary>
    AveragePool,

    /// <summary>Average pooling that excludes the padding from the average: <c>avg_np:</c>.</summary>
    AveragePoolInside,

    /// <summary>Batch normalisation: <c>bnorm:</c>.</summary>
    BatchNorm,
}

/// <summary>A layer and its batch size, described in the notation of oneDNN's benchdnn.</summary>
/// <remarks>
/// Example: <c>mb32ic64ih56oc64oh56kh3ph1n"name"</c>. The sizes, with their defaults in parentheses, are mb samples
/// (2), g groups (1), ic input and oc output channels over all groups, ih and iw input size, oh and ow output size, kh
/// and kw kernel, sh and sw stride (1), ph and pw leading padding, and dh and dw dilation, where 0 means dense (0).
/// A size omitted for the width equals that of the height. An omitted output size is computed. An omitted padding is
/// the one that the output size requires, or 0 if that is omitted too. The trailing padding equals the leading one, or
/// is what a given output size requires. A given output size may be the result of rounding down.
/// Without a kernel size, the descriptor is an inner product, for example <c>mb64ic4096oc4096</c>: a linear layer with
/// ic·ih·iw inputs and oc outputs. The character _ is ignored. The name is the rest of the text; its quotes are
/// optional.
/// Pooling starts with its algorithm, for example <c>max:mb2ic64ih112oh56kh3sh2ph1</c>, and batch normalisation with
/// <c>bnorm:</c>, for example <c>bnorm:mb2ic64ih56</c>. Neither takes g or oc.
/// A pass has 2·mb·oc·(ic/g)·kh·kw·oh·ow operations, including taps on the padding. Pooling and batch normalisation
/// count as none.
/// </remarks>
public sealed record LayerShape
{
    /// <summary>The operator.</summary>
    public LayerOperator Operator { get; init; }

    /// <summary>The batch size.</summary>
    public required int Batch { get; init; }

    /// <summary>The number of channel groups.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>The input shape of one sample.</summary>
    public required Shape Input { get; init; }

    /// <summary>The output shape of one sample.</summary>
    public required Shape Output { get; init; }

    /// <summary>Rows and columns of the kernel or window; 0×0 for a linear layer or batch normalisation.</summary>
    public Extent Kernel { get; init; }

    /// <summary>Stride.</summary>
    public Extent Stride { get; init; } = 1;

    /// <summary>Padding.</summary>
    public Padding Padding { get; init; }

    /// <summary>The distance between neighbouring taps: benchdnn's value plus one.</summary>
    public Extent Dilation { get; init; } = 1;

    /// <summary>The name. Null if there is none.</summary>
    public string? Name { get; init; }

    /// <summary>Whether the layer is an inner product.</summary>
    public bool IsLinear => Operator == LayerOperator.Sum && Kernel == default;

    /// <summary>Floating-point operations of one pass. A multiply-add counts as two.</summary>
    public double Operations => Operator != LayerOperator.Sum ? 0
        : IsLinear ? 2.0 * Batch * Input.Length * Output.C
        : 2.0 * Batch * Output.Length * (Input.C / Groups) * Kernel.Area;

    /// <summary>Total size of input, weights and output in bytes: the least memory traffic of a pass.</summary>
    public double MinTrafficBytes => sizeof(float) * ((double)Batch * (Input.Length + Output.Length) + Weights);

    /// <summary>The shape that the layer reads. A linear layer reads its <see cref="Input"/> flattened.</summary>
    public Shape Reads => IsLinear ? Shape.Vector(Input.Length) : Input;

    /// <summary>Creates the layer, which takes samples of shape <see cref="Reads"/>.</summary>
    /// <param name="bias">Whether a convolution or a linear layer has a bias.</param>
    public Layer ToLayer(bool bias = false) => Operator switch
    {
        LayerOperator.MaxPool => new MaxPool2d(Kernel, Stride, Padding, rounding: Rounding.Floor),
        LayerOperator.AveragePool => new AvgPool2d(Kernel, Stride, Padding, rounding: Rounding.Floor),
        LayerOperator.AveragePoolInside
            => new AvgPool2d(Kernel, Stride, Padding, Rounding.Floor, countIncludePad: false),
        LayerOperator.BatchNorm => new BatchNorm2d(),
        _ when IsLinear => new Linear(Output.C, bias),
        _ => new Conv2d(Output.C, Kernel, Stride, Padding, Dilation, Groups, bias, rounding: Rounding.Floor),
    };

    /// <summary>Parses a descriptor.</summary>
    /// <exception cref="FormatException">The descriptor is invalid; the message gives the position and the
    /// reason.</exception>
    public static LayerShape Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return DescriptorReader.Read(text);
    }

    /// <summary>Returns the descriptor, without sizes that have their default value. <see cref="Parse"/> accepts
    /// it.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(DescriptorReader.PrefixOf(Operator));
        if (Groups != 1)
            text.Append(CultureInfo.InvariantCulture, $"g{Groups}");
        text.Append(CultureInfo.InvariantCulture, $"mb{Batch}ic{Input.C}");
        if (!IsLinear || Input.Area != 1)
            Append(text, 'i', new Extent(Input.H, Input.W));
        if (Operator == LayerOperator.Sum)
            text.Append(CultureInfo.InvariantCulture, $"oc{Output.C}");
        if (Kernel != default)
        {
            Append(text, 'o', new Extent(Output.H, Output.W));
            Append(text, 'k', Kernel);
            if (Stride != 1)
                Append(text, 's', Stride);
            Append(text, 'p', new Extent(Padding.Top, Padding.Left));
            if (Dilation != 1)
                Append(text, 'd', new Extent(Dilation.H - 1, Dilation.W - 1));
        }
        return Name is null ? text.ToString() : $"{text}n\"{Name}\"";
    }

    private double Weights => Operator != LayerOperator.Sum ? 0 : (double)Output.C
        * (IsLinear ? Input.Length : Input.C / Groups * Kernel.Area);

    private void Append(StringBuilder text, char letter, Extent size)
    {
        text.Append(CultureInfo.InvariantCulture, $"{letter}h{size.H}");
        // If the input is not square, the width is always explicit.
        if (size.W != size.H || Input.W != Input.H)
            text.Append(CultureInfo.InvariantCulture, $"{letter}w{size.W}");
    }
}
