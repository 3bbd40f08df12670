using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Text.RegularExpressions;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>Runs cases of the ONNX backend tests on a backend.</summary>
/// <param name="backend">The backend.</param>
internal sealed partial class ConformanceRun(IBackend backend)
{
    // The tolerances of the runner of the suite.
    private const double Relative = 1e-3, Absolute = 1e-7;

    private readonly TensorReader _tensors = new(new ExternalData(null));

    /// <summary>Imports the model of a case, runs it and compares the results.</summary>
    public ConformanceResult Run(ConformanceCase each)
    {
        ModelProto model;
        try
        {
            model = ModelFile.Read(each.ModelPath);
        }
        catch (InvalidDataException error)
        {
            return Unsupported(each, [("(file)", error.Message)]);
        }
        if (!ConformanceOperators.Are(model))
            return new ConformanceResult(each, ConformanceOutcome.Other, []);
        string failure = "it has no data";
        foreach (string folder in each.DataFolders)
        {
            (ConformanceResult result, failure) = Run(each, model, folder);
            if (result.Outcome != ConformanceOutcome.Passed)
                return result;
        }
        return failure.Length == 0 ? new ConformanceResult(each, ConformanceOutcome.Passed, [])
            : new ConformanceResult(each, ConformanceOutcome.Failed, [], failure);
    }

    private (ConformanceResult Result, string Failure) Run(ConformanceCase each, ModelProto model, string folder)
    {
        ValueInfoProto[] free = [.. model.Graph.Input
            .Where(input => model.Graph.Initializer.All(tensor => tensor.Name != input.Name))];
        string[] names = [.. free.Select(input => input.Name)];
        TensorProto[] inputs = ConformanceCase.Tensors(folder, "input", free),
            outputs = ConformanceCase.Tensors(folder, "output", model.Graph.Output);
        if (inputs.Length > names.Length || outputs.Length != model.Graph.Output.Count)
            return (Unsupported(each, [("(input)", "its inputs or outputs are not tensors")]), "");
        ImportedModel imported;
        try
        {
            imported = Import(each, model, names, inputs);
        }
        catch (OnnxImportException unsupported)
        {
            return (Unsupported(each, unsupported.Operators.Select(found => (found.Operator, found.Reason))), "");
        }
        catch (InvalidDataException error)
        {
            return (Unsupported(each, [("(input)", Generalized(error.Message, each))]), "");
        }
        string failure;
        try
        {
            failure = Compared(imported, names.Zip(inputs).ToDictionary(pair => pair.First, pair => pair.Second),
                outputs);
        }
        catch (Exception error) when (error is ArgumentException or NotSupportedException or InvalidOperationException)
        {
            failure = error.Message;
        }
        return (new ConformanceResult(each, failure.Length == 0 ? ConformanceOutcome.Passed
            : ConformanceOutcome.Failed, [], failure.Length == 0 ? null : failure), failure);
    }

    // Cases of one operator have its weights as inputs, and often no dimension of samples. All inputs are tried as
    // inputs first, and then all but the first as constants; then both without samples. The reasons are those of the
    // last attempt with samples.
    private static ImportedModel Import(ConformanceCase each, ModelProto model, string[] names, TensorProto[] inputs)
    {
        Dictionary<string, TensorProto> none = [], given = names.Zip(inputs).Skip(1).ToDictionary(
            pair => pair.First, pair => pair.Second, StringComparer.Ordinal);
        ExceptionDispatchInfo? reason = null;
        foreach (bool unbatched in (bool[])[false, true])
        {
            foreach (Dictionary<string, TensorProto> constants in inputs.Length > 1 ? [none, given]
                : (Dictionary<string, TensorProto>[])[none])
            {
                try
                {
                    return OnnxImport.Model(model, each.ModelPath, each.Folder,
                        new OnnxImportOptions { Constants = constants, Unbatched = unbatched });
                }
                catch (Exception error) when (error is OnnxImportException or InvalidDataException)
                {
                    reason = unbatched ? reason : ExceptionDispatchInfo.Capture(error);
                }
            }
        }
        reason!.Throw();
        throw new UnreachableException();
    }

    private string Compared(ImportedModel imported, Dictionary<string, TensorProto> inputs, TensorProto[] outputs)
    {
        Graph graph = imported.Graph;
        int batch = imported.IsUnbatched ? 1 : (int)inputs[graph.Inputs[0].Name].Dims[0];
        using IExecutable executable = backend.CompileInference(graph, batch);
        imported.CopyTo(executable);
        (string, ReadOnlyMemory<float>)[] values = [.. graph.Inputs.Select(input => (input.Name,
            (ReadOnlyMemory<float>)_tensors.Read(inputs[input.Name], input.Name).ToReals()))];
        float[][] results = [.. graph.Outputs.Select(output => new float[batch * output.Shape.Length])];
        executable.Infer(BatchValues.Of(values), BatchBuffers.Of([.. graph.Outputs.Zip(results)
            .Select(pair => (pair.First.Name, (Memory<float>)pair.Second))]));
        for (int i = 0; i < outputs.Length; i++)
        {
            OnnxTensor expected = _tensors.Read(outputs[i], graph.Outputs[i].Name);
            long[] sizes = imported.OutputSizes[i].Sizes;
            long[] own = imported.IsUnbatched ? sizes : [batch, .. sizes[1..]];
            if (!own.SequenceEqual(expected.Sizes))
                return $"output {i} is {string.Join('×', own)}; it must be {string.Join('×', expected.Sizes)}";
            float[] truth = expected.ToReals();
            for (int k = 0; k < truth.Length; k++)
            {
                if (!IsNear(results[i][k], truth[k]))
                    return $"output {i} is {results[i][k]} at index {k}; it must be {truth[k]}";
            }
        }
        return "";
    }

    private static bool IsNear(float actual, float expected) => actual.Equals(expected)
        || Math.Abs((double)actual - expected) <= Absolute + Relative * Math.Abs((double)expected);

    private static ConformanceResult Unsupported(ConformanceCase each, IEnumerable<(string, string)> reasons)
        => new(each, ConformanceOutcome.Unsupported, [.. reasons]);

    // The same reason for inputs of any name.
    private static string Generalized(string message, ConformanceCase each)
        => QuotedName().Replace(message.Replace($"{each.ModelPath}: ", "", StringComparison.Ordinal), "").TrimEnd('.');

    [GeneratedRegex(" \"[^\"]*\"")]
    private static partial Regex QuotedName();
}
