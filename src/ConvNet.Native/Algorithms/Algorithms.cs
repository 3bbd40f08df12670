using ConvNet.Native.Interop;

namespace ConvNet.Native;

/// <summary>The algorithm of a kernel and the reason for choosing it.</summary>
/// <param name="Algorithm">The algorithm.</param>
/// <param name="Reason">The reason. Empty if there is no choice.</param>
/// <param name="Operations">The floating-point operations for a full batch. 0 for a kernel without dot
/// products.</param>
internal readonly record struct Choice(string Algorithm, string Reason = "", long Operations = 0)
{
    /// <summary>Returns the choice of a kernel that passes over its values once.</summary>
    public static Choice OnePass(string reason = "") => new("one pass over the values", reason);

    /// <summary>Appends an operation that the kernel also applies to rows while they are in cache.</summary>
    public Choice Then(bool does, string what) => does ? this with { Algorithm = $"{Algorithm}, then {what}" } : this;
}

/// <summary>Describes the algorithm of each pass of a convolution or a linear layer.</summary>
internal static class Algorithms
{
    /// <summary>Returns the name of an algorithm.</summary>
    public static string NameOf(SumAlgorithm algorithm) => algorithm switch
    {
        SumAlgorithm.Winograd2 => "F(2×2, 3×3)",
        SumAlgorithm.Winograd4 => "F(4×4, 3×3)",
        _ => "direct",
    };

    /// <summary>Describes a convolution pass: what the library says of its variant, and the reasons.</summary>
    /// <param name="conv">The convolution.</param>
    /// <param name="pass">The pass.</param>
    /// <param name="variant">The variant that runs the pass over a full batch.</param>
    /// <param name="selected">The reason for its algorithm. Empty if there is only one.</param>
    public static Choice Of(in cn_conv2d conv, cn_pass pass, in cn_conv2d_variant variant, string selected)
    {
        cn_tensor source = pass == cn_pass.CN_BACKWARD_DATA ? conv.dy : conv.x;
        string[] reasons =
        [
            Blocks(conv),
            selected,
            variant.halo > source.halo ? $"rows are copied with a border, because {variant.halo} zeros are needed "
                + $"around a map, which has {source.halo}" : "",
            variant.chunks > 1 ? $"the pixels are divided into {variant.chunks} chunks, each with its own sums" : "",
        ];
        return new Choice(ConvKernels.NameOf(variant), string.Join("; ", reasons.Where(reason => reason.Length > 0)),
            (long)variant.operations);
    }

    /// <summary>Describes a pass of a linear layer over n samples.</summary>
    public static Choice Of(in cn_linear linear, cn_pass pass, int n) => new(
        pass == cn_pass.CN_BACKWARD_DATA ? "matrix product, samples in the lanes" : "matrix product, samples as pixels",
        pass == cn_pass.CN_BACKWARD_DATA ? "the weights, the large operand, are read in their own order"
            : "features in blocks of 16 make it a 1×1 convolution of one image",
        2L * n * linear.outputs * linear.c * linear.h * linear.w);

    private static string Blocks(in cn_conv2d conv) => conv switch
    {
        { groups: > 1 }
            => $"a group has {conv.x.c / conv.groups} input and {Channels(conv.y.c / conv.groups, "output")}",
        { x.layout: cn_layout.CN_PLAIN }
            => $"{Channels(conv.x.c, "input")} would leave most of a block of {Convnet.CN_BLOCK} empty",
        _ => Lanes(conv.x.c, conv.y.c),
    };

    private static string Channels(int count, string kind) => $"{count} {kind} channel{(count == 1 ? "" : "s")}";

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
