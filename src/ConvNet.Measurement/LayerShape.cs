using System.Globalization;
using System.Text;

namespace ConvNet.Measurement;

/// <summary>A convolution or a dense layer with its batch, as one of oneDNN's benchdnn descriptors says it.</summary>
/// <remarks>
/// As <c>mb32ic64ih56oc64oh56kh3ph1n"name"</c>: mb samples (2 unless given), g groups (1), ic and oc channels in all groups, ih and iw input,
/// oh and ow output, kh and kw kernel, sh and sw stride (1), ph and pw padding on the first side, dh and dw dilation where 0 is dense (0).
/// What is left out of the width follows the height. An output left out is computed; a padding left out is what the output needs, or 0
/// where that is left out as well. A given output may be the rounded-down one. Without a kernel it is an inner product, as <c>mb64ic4096oc4096</c>:
/// a dense layer of ic·ih·iw features and oc outputs. The symbol _ is ignored. The name is the rest of the text; its quotes may be missing.
/// Operations are 2·mb·oc·(ic/g)·kh·kw·oh·ow, taps on the padding counted.
/// </remarks>
public sealed record LayerShape
{
    /// <summary>Samples.</summary>
    public required int Batch { get; init; }

    /// <summary>Groups of channels.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Input of one sample.</summary>
    public required Shape Input { get; init; }

    /// <summary>Output of one sample.</summary>
    public required Shape Output { get; init; }

    /// <summary>Rows and columns of a filter; 0×0 where the layer is dense.</summary>
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
    public bool IsDense => Kernel == default;

    /// <summary>Floating-point operations of one pass, two for each multiply-add.</summary>
    public double Operations => IsDense
        ? 2.0 * Batch * Input.Length * Output.C
        : 2.0 * Batch * Output.Length * (Input.C / Groups) * Kernel.Area;

    /// <summary>The layer without a bias, for samples of <see cref="Input"/>; a dense layer reads them flattened.</summary>
    public SumLayer ToLayer() => IsDense
        ? new Dense(Output.C, bias: false)
        : new Conv2d(Output.C, Kernel, Stride, Padding, Dilation, Groups, bias: false, roundDown: true);

    /// <summary>Reads a descriptor.</summary>
    /// <exception cref="FormatException">It is none; the message says where and why.</exception>
    public static LayerShape Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return DescriptorReader.Read(text);
    }

    /// <summary>The descriptor with all that is not a default of this type; <see cref="Parse"/> reads it back.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        if (Groups != 1)
            text.Append(CultureInfo.InvariantCulture, $"g{Groups}");
        text.Append(CultureInfo.InvariantCulture, $"mb{Batch}ic{Input.C}");
        if (!IsDense || Input.Area != 1)
            Append(text, 'i', new Extent(Input.H, Input.W));
        text.Append(CultureInfo.InvariantCulture, $"oc{Output.C}");
        if (!IsDense)
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

    private void Append(StringBuilder text, char letter, Extent size)
    {
        text.Append(CultureInfo.InvariantCulture, $"{letter}h{size.H}");
        // Where the input is not square, nothing about the width is left to be guessed.
        if (size.W != size.H || Input.W != Input.H)
            text.Append(CultureInfo.InvariantCulture, $"{letter}w{size.W}");
    }
}
