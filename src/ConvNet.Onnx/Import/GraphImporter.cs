using ConvNet.Data;
using Onnx;

namespace ConvNet.Onnx;

/// <summary>Imports the graph of one model.</summary>
/// <param name="model">The model.</param>
/// <param name="source">Its name, for errors.</param>
/// <param name="external">Reads the data outside the file.</param>
/// <param name="options">The options.</param>
internal sealed class GraphImporter(ModelProto model, string source, ExternalData external, OnnxImportOptions options)
{
    private readonly List<(OnnxNode Node, string Reason)> _unsupported = [];
    private readonly HashSet<string> _viewed = new(StringComparer.Ordinal);
    private int _unseen;

    /// <summary>Imports the graph.</summary>
    /// <exception cref="InvalidDataException">The model is invalid.</exception>
    /// <exception cref="OnnxImportException">Nodes cannot be imported.</exception>
    public ImportedModel Import()
    {
        var tensors = new TensorReader(external);
        var program = new OnnxProgram(model, tensors, options.Constants);
        var folding = new Folding(tensors);
        FoldConstants(program, folding);
        Normalization? normalization = InputNormalization.TakeFrom(program);
        PatternTable.Apply(program);
        InputSizes sizes = InputSizes.Of([.. program.Inputs.Where(input => program.Uses(input.Name) > 0
            || program.IsOutput(input.Name))], options.InputShapes, options.Unbatched);
        var context = new ImportContext(program, sizes.Batch, options.Unbatched)
        {
            RefusesTrainingMode = options.RefusesTrainingMode,
            IsOfTorch = model.ProducerName == "pytorch",
            Viewed = _viewed,
        };
        foreach ((string name, long[] of) in sizes.Inputs)
            context.AddInput(name, of);
        foreach (ValueInfoProto input in program.Inputs)
        {
            if (TensorReader.KindOf(input.Type?.TensorType?.ElemType ?? 0) == ElementKind.Whole)
                context.SetWhole(input.Name);
        }
        foreach (OnnxNode node in program.Nodes)
            Import(context, program, folding, node);
        // Which outputs are views is known only now. They get their names in another attempt.
        if (_unsupported.Count == 0 && !SetOutputs(context, program))
            return Import();
        if (_unsupported.Count > 0)
            throw new OnnxImportException(source, [.. Unsupported()], _unseen);
        return new ImportedModel(context, normalization, ClassNames.Of(model));
    }

    private IEnumerable<UnsupportedOperator> Unsupported()
        => from each in _unsupported
           let domain = each.Node.Domain == OnnxNode.Composed ? "" : each.Node.Domain
           group each.Node by (domain, each.Node.Operator, each.Reason) into same
           select new UnsupportedOperator(same.Key.domain, same.Key.Operator, same.Key.Reason,
               [.. same.Select(NameOf)]);

    private static void FoldConstants(OnnxProgram program, Folding folding)
    {
        var folded = new HashSet<OnnxNode>();
        foreach (OnnxNode node in program.Nodes)
        {
            if (TryFold(program, folding, node))
                folded.Add(node);
        }
        program.Remove(folded);
    }

    private static bool TryFold(OnnxProgram program, Folding folding, OnnxNode node)
    {
        if (node.Inputs.Any(input => input.Length > 0 && !program.Constants.ContainsKey(input)))
            return false;
        try
        {
            OnnxTensor?[] inputs = [.. node.Inputs.Select((_, i) => program.Constant(node, i))];
            if (folding.Fold(node, inputs) is not { } result)
                return false;
            program.Constants[node.Outputs[0]] = result;
            return true;
        }
        catch (UnsupportedNodeException reason)
        {
            program.Unread[node.Outputs[0]] = reason.Message;
            return node.Operator == "Constant";
        }
    }

    private void Import(ImportContext context, OnnxProgram program, Folding folding, OnnxNode node)
    {
        OperatorImport? import = OperatorTable.Find(node);
        if (node.Inputs.Any(input => !context.IsKnown(input)))
        {
            if (import is null && !Folding.Knows(node))
                _unsupported.Add((node, NoImport(node)));
            else
                _unseen++;
            return;
        }
        try
        {
            // Sizes that depend on the shapes of activations are known only now.
            if (TryFold(program, folding, node))
                return;
            if (import is null)
                throw new UnsupportedNodeException(program.Unread.GetValueOrDefault(node.Outputs[0])
                    ?? NoImport(node));
            if (node.Inputs.Count == 0)
                throw new InvalidDataException($"{node.Place} has no inputs.");
            Import(context, node, import);
        }
        catch (UnsupportedNodeException reason)
        {
            _unsupported.Add((node, reason.Message));
        }
        catch (Exception error) when (error is ArgumentException or OverflowException)
        {
            _unsupported.Add((node, error.PlainMessage().TrimEnd('.')));
        }
    }

    private static void Import(ImportContext context, OnnxNode node, OperatorImport import)
    {
        if (context.Lead > 0 && OperatorTable.NeedsSamples(node))
            throw new UnsupportedNodeException("it needs a dimension of the samples");
        bool isWhole = node.Inputs.Any(context.IsWhole);
        if (isWhole && !OperatorTable.KeepsWhole(node))
            throw new UnsupportedNodeException("its input is of whole numbers, whose arithmetic no layer has");
        import(context, node);
        if (!isWhole || node.Operator == "Cast")
            return;
        foreach (string output in node.Outputs)
            context.SetWhole(output);
    }

    private static string NoImport(OnnxNode node) => node.Domain.Length == 0
        ? "no layer computes it" : $"the domain {Excerpt.Of(node.Domain)} is not known";

    private static string NameOf(OnnxNode node)
        => node.Name.Length > 0 ? node.Name : node.Outputs.FirstOrDefault(output => output.Length > 0) ?? "";

    // An output has the name of its node. A view of another node, or of an input, becomes a layer of its own. Returns
    // false if the name of such a layer was given to that of its values.
    private bool SetOutputs(ImportContext context, OnnxProgram program)
    {
        var outputs = new List<Node>();
        bool haveNames = true;
        foreach (string name in program.Outputs)
        {
            OnnxNode place = new("", "Output", 0, name, [], [name], new Dictionary<string, AttributeProto>());
            try
            {
                if (context.Find(name) is not { } found)
                {
                    context.ConstantOutputs.Add(ConstantOf(program, name));
                    continue;
                }
                Activation value = context.Plain(found);
                Shape shape = ImportContext.ShapeOf(value.Sizes);
                Node node = value.Node;
                if (node.Shape != shape || node.Layer is null || node.Name != name)
                    node = context.AddNamed(name, new Reshape(shape), node);
                haveNames &= node.Name == name || !_viewed.Add(name);
                context.OutputSizes.Add((name, value.Sizes[context.Lead..]));
                outputs.Add(node);
            }
            catch (UnsupportedNodeException reason)
            {
                _unsupported.Add((place, reason.Message));
            }
        }
        if (haveNames && _unsupported.Count == 0 && outputs.Count > 0)
            Finish(context.Graph, outputs);
        return haveNames;
    }

    private static ConstantOutput ConstantOf(OnnxProgram program, string name)
    {
        if (!program.Constants.TryGetValue(name, out OnnxTensor? value))
            throw new UnsupportedNodeException(program.Unread.GetValueOrDefault(name)
                ?? "it does not depend on an input");
        return value.DependsOnBatch
            ? throw new UnsupportedNodeException("it is computed from the number of samples, which is free")
            : new ConstantOutput(name, value);
    }

    private static void Finish(Graph graph, List<Node> outputs)
    {
        graph.SetOutputs([.. outputs]);
        try
        {
            graph.CheckComplete();
        }
        catch (ArgumentException error)
        {
            // Such as a value of which only the sizes are read.
            throw new InvalidDataException(error.PlainMessage(), error);
        }
    }
}
