using Type = Onnx.TensorProto.Types.DataType;

namespace ConvNet.Onnx;

/// <summary>Elementwise functions of constants.</summary>
internal static class FoldedArithmetic
{
    /// <summary>A function of one constant.</summary>
    public static Folding.Function Of(Func<double, double> function) => (_, inputs) =>
    {
        OnnxTensor x = inputs[0]!;
        return x.Kind == ElementKind.Real
            ? OnnxTensor.Of(x.Sizes, Array.ConvertAll(x.Reals, value => (float)function(value)))
            : OnnxTensor.Of(x.Sizes, Array.ConvertAll(x.Wholes, value => (long)function(value)), x.Kind);
    };

    /// <summary>A function of two or more constants, from left to right.</summary>
    public static Folding.Function Of(Func<double, double, double> ofReals, Func<long, long, long> ofWholes)
        => (_, inputs) => inputs.Skip(1).Aggregate(inputs[0]!, (a, b) =>
        {
            (long[] sizes, int[] first, int[] second) = Broadcast(a, b!);
            if (a.Kind != ElementKind.Real && b!.Kind != ElementKind.Real)
                return OnnxTensor.Of(sizes, Each(sizes, i => ofWholes(a.Wholes[first[i]], b.Wholes[second[i]])));
            return OnnxTensor.Of(sizes, Each(sizes, i => (float)ofReals(a.At(first[i]), b!.At(second[i]))));
        });

    /// <summary>Pow. The result has the type of the base.</summary>
    public static OnnxTensor Pow(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        (OnnxTensor x, OnnxTensor exponent) = (inputs[0]!, inputs[1]!);
        (long[] sizes, int[] first, int[] second) = Broadcast(x, exponent);
        if (x.Kind == ElementKind.Real)
            return OnnxTensor.Of(sizes, Each(sizes, i => (float)Math.Pow(x.Reals[first[i]], exponent.At(second[i]))));
        return OnnxTensor.Of(sizes, Each(sizes, i => exponent.Kind != ElementKind.Real && exponent.At(second[i]) >= 0
            ? Power(x.Wholes[first[i]], exponent.Wholes[second[i]])
            : (long)Math.Pow(x.At(first[i]), exponent.At(second[i]))));
    }

    /// <summary>A relation of two constants.</summary>
    public static Folding.Function Truth(Func<double, double, bool> relation) => (_, inputs) =>
    {
        (OnnxTensor a, OnnxTensor b) = (inputs[0]!, inputs[1]!);
        (long[] sizes, int[] first, int[] second) = Broadcast(a, b);
        return OnnxTensor.Of(sizes, Each(sizes, i => relation(a.At(first[i]), b.At(second[i])) ? 1L : 0),
            ElementKind.Truth);
    };

    /// <summary>Cast.</summary>
    public static OnnxTensor Cast(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        OnnxTensor x = inputs[0]!;
        return TensorReader.KindOf((int)node.Whole("to")) switch
        {
            ElementKind.Real => OnnxTensor.Of(x.Sizes, Array.ConvertAll(x.ToReals(), value
                => (Type)node.Whole("to") switch
                {
                    Type.Float16 => (float)(Half)value,
                    // Which of the two nearest numbers it becomes depends on the program.
                    Type.Bfloat16 when (ushort)BitConverter.SingleToUInt32Bits(value) != 0
                        => throw new UnsupportedNodeException("it rounds to bfloat16"),
                    _ => value,
                })),
            ElementKind.Whole => OnnxTensor.Of(x.Sizes, x.ToWholes()),
            ElementKind.Truth => OnnxTensor.Of(x.Sizes, Each(x.Sizes, i => x.At(i) != 0 ? 1L : 0), ElementKind.Truth),
            _ => throw new UnsupportedNodeException($"it converts to {TensorReader.NameOf((int)node.Whole("to"))}"),
        };
    }

    /// <summary>Where.</summary>
    public static OnnxTensor Where(OnnxNode node, IReadOnlyList<OnnxTensor?> inputs)
    {
        (OnnxTensor condition, OnnxTensor a, OnnxTensor b) = (inputs[0]!, inputs[1]!, inputs[2]!);
        if (!a.Sizes.SequenceEqual(b.Sizes) || (condition.Length != 1 && !condition.Sizes.SequenceEqual(a.Sizes)))
            throw new UnsupportedNodeException("its constants have different sizes");
        bool First(int i) => condition.At(condition.Length == 1 ? 0 : i) != 0;
        return a.Kind == ElementKind.Real
            ? OnnxTensor.Of(a.Sizes, Each(a.Sizes, i => (float)(First(i) ? a : b).At(i)))
            : OnnxTensor.Of(a.Sizes, Each(a.Sizes, i => (First(i) ? a : b).Wholes[i]), a.Kind);
    }

    // By squares; too large powers wrap.
    private static long Power(long x, long exponent)
    {
        long power = 1;
        for (; exponent > 0; exponent >>= 1)
        {
            power = unchecked((exponent & 1) == 0 ? power : power * x);
            x = unchecked(x * x);
        }
        return power;
    }

    private static T[] Each<T>(long[] sizes, Func<int, T> of)
    {
        var values = new T[Views.Product(sizes)];
        for (int i = 0; i < values.Length; i++)
            values[i] = of(i);
        return values;
    }

    // The indices of the operands of every element.
    private static (long[] Sizes, int[] First, int[] Second) Broadcast(OnnxTensor a, OnnxTensor b)
    {
        int rank = Math.Max(a.Sizes.Length, b.Sizes.Length);
        long[] first = Padded(a.Sizes, rank), second = Padded(b.Sizes, rank), sizes = new long[rank];
        for (int d = 0; d < rank; d++)
        {
            if (first[d] != second[d] && first[d] != 1 && second[d] != 1)
                throw new InvalidDataException($"constants of {string.Join('×', a.Sizes)} and "
                    + $"{string.Join('×', b.Sizes)} do not fit together.");
            sizes[d] = first[d] == 1 ? second[d] : first[d];
        }
        if (sizes.Aggregate(1.0, (product, size) => product * size) > Folding.MostValues)
            throw new UnsupportedNodeException($"it makes a constant of {string.Join('×', sizes)} values");
        return (sizes, Indices(sizes, first), Indices(sizes, second));
    }

    private static long[] Padded(long[] sizes, int rank)
        => [.. Enumerable.Repeat(1L, rank - sizes.Length), .. sizes];

    private static int[] Indices(long[] sizes, long[] from) => Each(sizes, i =>
    {
        long at = 0, stride = 1, rest = i;
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            at += from[d] == 1 ? 0 : rest % sizes[d] * stride;
            (stride, rest) = (stride * from[d], rest / sizes[d]);
        }
        return (int)at;
    });
}
