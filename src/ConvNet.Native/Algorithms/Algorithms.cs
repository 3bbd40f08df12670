using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The algorithm of a kernel and the reason for choosing it.</summary>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">The reason. Empty if there is no choice.</param>
/// <param name="MultiplyAdds">The multiply-adds for one sample. 0 for a kernel without dot products.</param>
internal readonly record struct Choice(string Algorithm, string Reason = "", long MultiplyAdds = 0)
{
    /// <summary>Returns the choice of a kernel that passes over its values once.</summary>
    public static Choice OnePass(string reason = "") => new("one pass over the values", reason);

    /// <summary>Appends an operation that the kernel also applies to rows while they are in cache.</summary>
    public Choice Then(bool does, string what) => does ? this with { Algorithm = $"{Algorithm}, then {what}" } : this;
}

/// <summary>Describes the algorithm of each pass of a convolution or a linear layer, from its descriptor
/// alone.</summary>
internal static class Algorithms
{
    /// <summary>Returns the name of an algorithm.</summary>
    public static string NameOf(SumAlgorithm algorithm) => algorithm switch
    {
        SumAlgorithm.Winograd2 => "F(2×2, 3×3)",
        SumAlgorithm.Winograd4 => "F(4×4, 3×3)",
        _ => "direct",
    };

    /// <summary>Describes a convolution pass: the form, which the layout of x and the groups determine as listed in
    /// convnet.h, and the selected algorithm.</summary>
    public static Choice Of(in cn_conv2d conv, cn_pass pass, long workspaceFloats, string selected)
    {
        int perGroup = conv.x.c / conv.groups;
        long multiplyAdds = (long)conv.y.c * conv.y.h * conv.y.w * perGroup
            * conv.window.kernel_h * conv.window.kernel_w;
        (string algorithm, string reason) = Form(conv, perGroup);
        if (selected.Length > 0)
            reason += $"; {selected}";
        if (conv.algorithm != cn_algorithm.CN_DIRECT)
        {
            string form = algorithm[algorithm.IndexOf(',', StringComparison.Ordinal)..];
            return new Choice($"Winograd {NameOf((SumAlgorithm)conv.algorithm)}{form}", reason, multiplyAdds);
        }
        if (pass == cn_pass.CN_BACKWARD_DATA && (conv.window.stride_h > 1 || conv.window.stride_w > 1))
            reason += $"; the stride of {conv.window.stride_h}×{conv.window.stride_w} splits it into "
                + $"{conv.window.stride_h * conv.window.stride_w} sums of stride 1";
        cn_tensor source = pass == cn_pass.CN_BACKWARD_DATA ? conv.dy : conv.x;
        int halo = Convnet.cn_conv2d_halo(conv, pass).SizeOrThrow();
        if (halo > source.halo && pass != cn_pass.CN_BACKWARD_WEIGHTS)
            reason += $"; rows are copied with a border, because {halo} zeros are needed around a map, which has "
                + $"{source.halo}";
        if (pass == cn_pass.CN_BACKWARD_WEIGHTS && workspaceFloats > Convnet.cn_conv2d_weight_floats(conv))
            reason += "; there are few weights, so the pixels are divided into chunks, each with its own sums";
        return new Choice(algorithm, reason, multiplyAdds);
    }

    /// <summary>Describes a pass of a linear layer.</summary>
    public static Choice Of(in cn_linear linear, cn_pass pass) => new(
        pass == cn_pass.CN_BACKWARD_DATA ? "matrix product, samples in the lanes" : "matrix product, samples as pixels",
        pass == cn_pass.CN_BACKWARD_DATA ? "the weights, the large operand, are read in their own order"
            : "features in blocks of 16 make it a 1×1 convolution of one image",
        (long)linear.outputs * linear.c * linear.h * linear.w);

    /// <summary>Returns whether the weights are packed in blocks of output channels. Weights of the depthwise form and
    /// of the "other" form are not.</summary>
    public static bool HasPackedBlocks(in cn_conv2d conv)
    {
        int perGroup = conv.x.c / conv.groups;
        return conv.groups == 1 || perGroup % Convnet.CN_BLOCK == 0 && conv.y.c / conv.groups % Convnet.CN_BLOCK == 0;
    }

    /// <summary>Returns whether every channel has its own filter.</summary>
    public static bool IsDepthwise(in cn_conv2d conv) => conv.groups > 1 && conv.x.c == conv.groups && conv.y.c
        == conv.groups;

    private static (string Algorithm, string Reason) Form(in cn_conv2d conv, int perGroup)
    {
        const int Block = Convnet.CN_BLOCK;
        if (conv.x.layout == cn_layout.CN_PLAIN)
            return ("direct from plain rows", $"{conv.x.c} input channel{(conv.x.c == 1 ? "" : "s")} would leave most "
                + $"of a block of {Block} empty");
        if (conv.groups == 1)
            return ($"direct, blocks of {Block} channels", Lanes(conv.x.c, conv.y.c));
        if (IsDepthwise(conv))
            return ("depthwise", "every channel has its own filter");
        if (HasPackedBlocks(conv))
            return ($"direct, group by group, blocks of {Block} channels",
                $"the {perGroup} channels of a group fill whole blocks");
        return ("plain loops", $"the {perGroup} input and {conv.y.c / conv.groups} output channels of a group do "
            + $"not fill whole blocks of {Block}, so this form is slow");
    }

    private static string Lanes(int inputs, int outputs)
    {
        int idleInputs = Idle(inputs), idleOutputs = Idle(outputs);
        return (idleInputs, idleOutputs) switch
        {
            (0, 0) => $"{inputs} input and {outputs} output channels fill their blocks",
            (_, 0) => $"{inputs} input channels leave {idleInputs} of a block unused",
            (0, _) => $"{outputs} output channels leave {idleOutputs} of a block unused",
            _ => $"{inputs} input channels leave {idleInputs} of a block unused, {outputs} output channels "
                + $"{idleOutputs}",
        };

        static int Idle(int channels) => (Convnet.CN_BLOCK - channels % Convnet.CN_BLOCK) % Convnet.CN_BLOCK;
    }
}
