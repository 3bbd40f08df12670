using System.Globalization;
using System.Text;

namespace ConvNet.Measurement;

/// <summary>What a descriptor describes.</summary>
public enum LayerOperator
{
    /// <summary>A convolution, or without a kernel a linear layer.</summary>
    Sum,

    /// <summary>Max pooling: <c>max:</c>.</summary>
    MaxPool,

    /// <summary>Average pooling that counts the padding: <c>avg_p:</c>, as benchdnn calls it.</summary>
    AveragePool,

    /// <summary>Average pooling that does not count the padding: <c>avg_np:</c>.</summary>
    AveragePoolInside,

    /// <summary>Batch normalisation: <c>bnorm:</c>.</summary>
    BatchNorm,
}

/// <summary>A layer with its batch, as one of oneDNN's benchdnn descriptors says it.</summary>
/// <remarks>
/// As <c>mb32ic64ih56oc64oh56kh3ph1n"name"</c>: mb samples (2 unless given), g groups (1), ic and oc channels in all
/// groups, ih and iw input, oh and ow output, kh and kw kernel, sh and sw stride (1), ph and pw padding on the first
/// side, dh and dw dilation where 0 is dense (0). What is left out of the width follows the height. An output left out
/// is computed; a padding left out is what the output needs, or 0 where that is left out as well. A given output may be
/// the rounded-down one. Without a kernel it is an inner product, as <c>mb64ic4096oc4096</c>: a linear layer of
/// ic·ih·iw
/// features and oc outputs. The symbol _ is ignored. The name is the rest of the text; its quotes may be missing. A
/// pooling is announced by its algorithm, as <c>max:mb2ic64ih112oh56kh3sh2ph1</c>, and a batch normalisation as
/// <c>bnorm:mb2ic64ih56</c>; these have neither g nor oc.
/// Operations are 2·mb·oc·(ic/g)·kh·kw·oh·ow, taps on the padding counted; pooling and batch normalisation count none.
/// </remarks>
public sealed record LayerShape
{
    /// <summary>What it computes.</summary>
    public LayerOperator Operator { get; init; }

    /// <summary>Samples.</summary>
    public required int Batch { get; init; }

    /// <summary>Groups of channels.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Input of one sample.</summary>
    public required Shape Input { get; init; }

    /// <summary>Output of one sample.</summary>
    public required Shape Output { get; init; }

    /// <summary>Rows and columns of a filter or a window; 0×0 where the layer is dense or has none.</summary>
    public Extent Kernel { get; init; }

    /// <summary>Stride.</summary>
    public Extent Stride { get; init; } = 1;

    /// <summary>Padding.</summary>
    public Extent Padding { get; init; }

    /// <summary>Distance between neighbouring taps, one more than benchdnn's number.</summary>
    public Extent Dilation { get; init; } = 1;

    /// <summary>What people call it; null where it has no name.</summary>
    public string? Name { get; init; }

    /// <summary>Whether it is an inner product, not a convolution.</summary>
    public bool IsLinear => Operator == LayerOperator.Sum && Kernel == default;

    /// <summary>Floating-point operations of one pass, two for each multiply-add.</summary>
    public double Operations => Operator != LayerOperator.Sum ? 0
        : IsLinear ? 2.0 * Batch * Input.Length * Output.C
        : 2.0 * Batch * Output.Length * (Input.C / Groups) * Kernel.Area;

    /// <summary>Bytes of the input, the weights and the output together: what a pass moves that moves everything
    /// once.</summary>
    public double LeastBytes => sizeof(float) * ((double)Batch * (Input.Length + Output.Length) + Weights);

    /// <summary>What the layer reads: <see cref="Input"/>, which a linear layer reads flattened.</summary>
    public Shape Reads => IsLinear ? Shape.Vector(Input.Length) : Input;

    /// <summary>The layer, for samples of <see cref="Reads"/>.</summary>
    /// <param name="bias">Whether a convolution or a linear layer adds one.</param>
    public Layer ToLayer(bool bias = false) => Operator switch
    {
        LayerOperator.MaxPool => new MaxPool2d(Kernel, Stride, Padding, roundDown: true),
        LayerOperator.AveragePool => new AvgPool2d(Kernel, Stride, Padding, roundDown: true),
        LayerOperator.AveragePoolInside => new AvgPool2d(Kernel, Stride, Padding, roundDown: true, countPadding: false),
        LayerOperator.BatchNorm => new BatchNorm2d(),
        _ when IsLinear => new Linear(Output.C, bias),
        _ => new Conv2d(Output.C, Kernel, Stride, Padding, Dilation, Groups, bias, roundDown: true),
    };

    /// <summary>Reads a descriptor.</summary>
    /// <exception cref="FormatException">It is none; the message says where and why.</exception>
    public static LayerShape Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return DescriptorReader.Read(text);
    }

    /// <summary>The descriptor with all that is not a default of this type; <see cref="Parse"/> reads it
    /// back.</summary>
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
            Append(text, 'p', Padding);
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
        // Where the input is not square, nothing about the width is left to be guessed.
        if (size.W != size.H || Input.W != Input.H)
            text.Append(CultureInfo.InvariantCulture, $"{letter}w{size.W}");
    }
}
