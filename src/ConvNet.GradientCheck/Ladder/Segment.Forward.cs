namespace ConvNet.GradientChecking;

/// <content>Segments on backends for inference only.</content>
internal sealed partial class Segment
{
    // Every layer must be exact in its forward pass. Gradients of zero are exact in any case.
    private Truth? Proven(Values values, float[][] y, ulong seed)
    {
        for (int i = 0; i < _own.Length; i++)
        {
            LayerValues<float> at = At(i, values, y, new float[y[_own[i].Index].Length], seed);
            if (!ExactReference.Evaluate(at).Y.IsExact || !Array.TrueForAll(_algorithms[i],
                of => WinogradBudget.IsExact(at, of[SumPass.Forward], SumPass.Forward)))
                return null;
        }
        return new Truth(OutputsOf(y), [], [], 0);
    }

    private TensorReport[] CheckForward(IBackend backend, Values before, Values values, Truth truth)
    {
        using IExecutable executable = backend.CompileInference(Graph, values.N);
        ForwardPass.Infer(executable, Graph.Parameters, before.X, [.. before.W.SelectMany(w => w)], before.N);
        float[][] y = ForwardPass.Infer(executable, Graph.Parameters, values.X, [.. values.W.SelectMany(w => w)],
            values.N);
        return [.. y.Zip(truth.Y, Exactly)];
    }
}
