using Onnx;

namespace ConvNet.Onnx;

/// <summary>What patterns are made of.</summary>
internal static class PatternParts
{
    private const int MostFactors = 8, MostNested = 8;

    /// <summary>Creates the node that stands for a pattern.</summary>
    public static OnnxNode Composed(this OnnxNode last, string type, string[] inputs, string note = "",
        params AttributeProto[] attributes) => last with
        {
            Domain = OnnxNode.Composed,
            Operator = type,
            Inputs = inputs,
            Attributes = attributes.ToDictionary(attribute => attribute.Name),
            Note = note,
        };

    /// <summary>Returns the value of a constant with one element; null for any other value.</summary>
    public static double? Scalar(this OnnxProgram program, string value)
        => program.Constants.GetValueOrDefault(value) is { Length: 1 } constant ? constant.At(0) : null;

    /// <summary>Returns the two inputs of a node of which one is a constant, with the constant last.</summary>
    public static (string Value, string Constant)? WithConstant(this OnnxProgram program, OnnxNode node)
        => program.Constants.ContainsKey(node.Input(1)) ? (node.Input(0), node.Input(1))
            : program.Constants.ContainsKey(node.Input(0)) ? (node.Input(1), node.Input(0)) : null;

    /// <summary>Whether two numbers are equal but for the rounding of constants.</summary>
    public static bool IsNear(this double a, double b) => Math.Abs(a - b) <= 1e-3 * Math.Abs(b);

    /// <summary>Returns the factors of a product, of which those that are constant are multiplied.</summary>
    /// <param name="program">The ONNX graph.</param>
    /// <param name="product">The product.</param>
    /// <param name="depth">The number of products that read this one; a deeper one is a factor.</param>
    public static (double Constant, List<string> Others) Factors(this OnnxProgram program, OnnxNode product,
        int depth = 0)
    {
        double constant = 1;
        var others = new List<string>();
        foreach (string value in product.Operator == "Div" ? product.Inputs.Take(1) : product.Inputs)
            Add(value);
        if (product.Operator == "Div")
            constant /= program.Scalar(product.Input(1)) ?? double.NaN;
        return (constant, others);

        void Add(string value)
        {
            if (program.Scalar(value) is { } number)
                constant *= number;
            else if (others.Count < MostFactors && depth < MostNested && (program.Producer(value, "Mul") is not null
                || (program.Producer(value, "Div") is { } division && program.Scalar(division.Input(1)) is not null)))
            {
                (double inner, List<string> more) = program.Factors(program.Producer(value, "Mul")
                    ?? program.Producer(value, "Div")!, depth + 1);
                constant *= inner;
                others.AddRange(more);
            }
            else
                others.Add(value);
        }
    }

    /// <summary>Returns the value to which a node adds a constant; null if it does not.</summary>
    public static string? Plus(this OnnxProgram program, string value, double constant)
    {
        if (program.Producer(value, "Add") is not { } sum)
            return null;
        for (int i = 0; i < 2; i++)
        {
            if (program.Scalar(sum.Input(i)) is { } number && number.IsNear(constant))
                return sum.Input(1 - i);
        }
        return null;
    }
}
