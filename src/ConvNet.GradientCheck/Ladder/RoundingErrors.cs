namespace ConvNet.GradientChecking;

/// <summary>The rounding errors that float32 makes in each tensor between the nodes of a network, and runs of the
/// double reference that are disturbed by errors of their size.</summary>
/// <remarks>
/// A run of the float32 reference keeps its tensors. The double reference then runs the same pass on these very values:
/// each node reads what the node in float32 has read, so that their difference is the node's own error. It contains no
/// errors of other nodes, and no different branch at a kink.
/// </remarks>
/// <param name="seed">The seed of the signs of the disturbances.</param>
internal sealed class RoundingErrors(ulong seed)
{
    // For each tensor of all passes, in the order in which they are shown.
    private readonly List<(double Error, double Largest)> _tensors = [];
    private readonly Queue<float[]> _pass = [];

    /// <summary>Keeps a tensor of the float32 reference.</summary>
    public bool Keep(TracedTensor tensor)
    {
        _pass.Enqueue([.. tensor.Values]);
        return false;
    }

    /// <summary>Measures the error of the next kept tensor, at least one rounding where there are sums, and replaces
    /// the tensor of the double reference by it.</summary>
    public bool Measure(TracedTensor tensor)
    {
        float[] single = _pass.Dequeue();
        double error = 0, largest = 0;
        for (int i = 0; i < single.Length; i++)
        {
            error = Math.Max(error, Math.Abs((double)single[i] - tensor.Values[i]));
            largest = Math.Max(largest, Math.Abs((double)single[i]));
        }
        // A few sums may be right by chance. Values that are only selected or moved have no error.
        if (tensor.Kind == TracedKind.Gradient
            || tensor.Operation.Node.Layer!.Accuracy is Accuracy.Sums or Accuracy.Derived)
            error = Math.Max(error, BoundedSum.UnitRoundoff * largest);
        _tensors.Add((error, largest));
        single.CopyTo(tensor.Values);
        return true;
    }

    /// <summary>Returns a callback that disturbs each tensor of a run of the double reference by the error that a right
    /// backend may make there.</summary>
    /// <remarks>The signs are random; those of each odd run are the opposite of the run before. A value of zero stays
    /// zero: it is the result of a branch, of which every backend gets the same bits.</remarks>
    /// <param name="run">The number of the run.</param>
    /// <param name="allowance">The allowed error as a multiple of that of the float32 reference.</param>
    public TraceCallback Disturbing(int run, double allowance)
    {
        int next = 0;
        return tensor =>
        {
            int number = next++;
            float error = (float)Branches.AllowedError(allowance, _tensors[number].Error, _tensors[number].Largest);
            if (error == 0)
                return false;
            Span<float> values = tensor.Values;
            uint signs = 0;
            for (int i = 0; i < values.Length; i++, signs >>= 1)
            {
                if (i % 32 == 0)
                    signs = Philox.Word(seed, run / 2, -1 - number, i);
                if (values[i] != 0)
                    values[i] += (signs & 1) == run % 2 ? error : -error;
            }
            return true;
        };
    }
}
