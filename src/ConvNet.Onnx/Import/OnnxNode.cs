using Onnx;
using Kind = Onnx.AttributeProto.Types.AttributeType;

namespace ConvNet.Onnx;

/// <summary>A node of an ONNX graph that is imported.</summary>
/// <param name="Domain">The domain of the operator; empty for that of ONNX.</param>
/// <param name="Operator">The name of the operator.</param>
/// <param name="Version">The version of the operators of the domain.</param>
/// <param name="Name">The name of the node; may be empty.</param>
/// <param name="Inputs">The names of the inputs; empty for one that is omitted.</param>
/// <param name="Outputs">The names of the outputs; empty for one that is omitted.</param>
/// <param name="Attributes">The attributes by name.</param>
internal sealed record OnnxNode(string Domain, string Operator, long Version, string Name,
    IReadOnlyList<string> Inputs, IReadOnlyList<string> Outputs, IReadOnlyDictionary<string, AttributeProto> Attributes)
{
    /// <summary>The domain of nodes that stand for several nodes of the file.</summary>
    public const string Composed = "convnet";

    /// <summary>What the export wrote about the layer, where the operator does not say it.</summary>
    public string Note { get; init; } = "";

    /// <summary>How errors name the node.</summary>
    public string Place => Excerpt.Of(Name.Length > 0 ? $"{Operator} \"{Name}\""
        : $"{Operator} that computes \"{Outputs.FirstOrDefault(output => output.Length > 0)}\"");

    /// <summary>Whether an input is given.</summary>
    public bool Has(int input) => input < Inputs.Count && Inputs[input].Length > 0;

    /// <summary>The name of an input; empty if it is omitted.</summary>
    public string Input(int input) => input < Inputs.Count ? Inputs[input] : "";

    /// <summary>Whether an attribute is given.</summary>
    public bool Has(string attribute) => Attributes.ContainsKey(attribute);

    /// <summary>A whole number.</summary>
    public long Whole(string name, long otherwise = 0) => Of(name, Kind.Int)?.I ?? otherwise;

    /// <summary>A list of whole numbers; null if it is not given.</summary>
    public long[]? Wholes(string name) => Of(name, Kind.Ints) is { } found ? [.. found.Ints] : null;

    /// <summary>A real number.</summary>
    public float Real(string name, float otherwise = 0) => Of(name, Kind.Float)?.F ?? otherwise;

    /// <summary>A list of real numbers; null if it is not given.</summary>
    public float[]? Reals(string name) => Of(name, Kind.Floats) is { } found ? [.. found.Floats] : null;

    /// <summary>A text.</summary>
    public string Text(string name, string otherwise = "") => Of(name, Kind.String)?.S.ToStringUtf8() ?? otherwise;

    /// <summary>A tensor; null if it is not given.</summary>
    public TensorProto? Tensor(string name) => Of(name, Kind.Tensor)?.T;

    // Files of old versions leave the type out.
    private AttributeProto? Of(string name, Kind kind)
    {
        if (!Attributes.TryGetValue(name, out AttributeProto? attribute))
            return null;
        return attribute.Type == kind || attribute.Type == Kind.Undefined ? attribute
            : throw new InvalidDataException($"{Place}: attribute {name} is of type "
                + $"{attribute.Type.ToString().ToLowerInvariant()}; it must be {kind.ToString().ToLowerInvariant()}.");
    }
}
