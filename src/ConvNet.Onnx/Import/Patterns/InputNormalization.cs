using ConvNet.Data;

namespace ConvNet.Onnx;

/// <summary>Recognises the normalisation of pixels that the export writes before the first layer.</summary>
internal static class InputNormalization
{
    /// <summary>Removes the normalisation from a graph.</summary>
    /// <returns>The normalisation; null if there is none. The input then has the name of the normalised
    /// values.</returns>
    public static Normalization? TakeFrom(OnnxProgram program)
    {
        if (program.Inputs is not [var input] || program.Uses(input.Name) != 1)
            return null;
        var nodes = new List<OnnxNode>();
        string value = input.Name;
        foreach (string type in (string[])["Div", "Sub", "Div"])
        {
            OnnxNode? next = program.Nodes.FirstOrDefault(node => node.Inputs.Contains(value));
            if (next is null || next.Operator != type || next.Domain.Length > 0 || next.Input(0) != value
                || (nodes.Count > 0 && program.Uses(value) != 1) || program.IsOutput(next.Outputs[0])
                || program.Constant(next, 1) is not { Kind: ElementKind.Real })
                return null;
            nodes.Add(next);
            value = next.Outputs[0];
        }
        float[] Values(int i) => program.Constant(nodes[i], 1)!.Reals;
        if (Values(0) is not [>= 1 and <= byte.MaxValue and var most] || most != (byte)most
            || Values(1).Length != Values(2).Length || Values(1).Length == 0
            || !Values(1).All(float.IsFinite) || !Values(2).All(s => s > 0 && float.IsFinite(s)))
            return null;
        var normalization = new Normalization((byte)most, Values(1), Values(2));
        program.Remove(nodes.ToHashSet());
        program.RenameInput(value);
        return normalization;
    }
}
