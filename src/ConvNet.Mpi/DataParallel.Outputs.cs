namespace ConvNet.Mpi;

/// <content>Inference, and the outputs of whole batches.</content>
internal sealed partial class DataParallel
{
    // The executable of this rank takes as many samples as its largest share.
    public void Infer(BatchValues input, BatchBuffers output)
    {
        input = input.InOrderOf(Graph.Inputs, "input");
        output = output.InOrderOf(Graph.Outputs, "output");
        int n = Executable.CountSamples(input, Graph, BatchSize);
        Executable.CheckOutputLengths(output, n, Graph);
        for (int first = 0; first < n; first += _inner.BatchSize)
        {
            int count = Math.Min(_inner.BatchSize, n - first);
            _inner.Infer(input.Slice(first, count, Graph.Inputs), output.Slice(first, count, Graph.Outputs));
        }
    }

    /// <summary>Computes the outputs of a batch in inference mode together: each rank computes its share, and receives
    /// those of the others.</summary>
    /// <param name="input">The values of the whole batch, which all have been read.</param>
    /// <param name="output">Receives the outputs of the whole batch.</param>
    public void InferTogether(BatchValues input, BatchBuffers output)
    {
        input = input.InOrderOf(Graph.Inputs, "input");
        output = output.InOrderOf(Graph.Outputs, "output");
        int n = Executable.CountSamples(input, Graph, BatchSize);
        Executable.CheckOutputLengths(output, n, Graph);
        (int first, int count) = Share.Of(n);
        float[][] own = MemoryFor(output, Graph.Outputs, count);
        if (count > 0)
            _inner.Infer(input.Slice(first, count, Graph.Inputs), BatchBuffers.InOrder(own));
        Gather(own, output, Graph.Outputs, n);
    }

    public void InferLosses(BatchValues input, Targets targets, Span<double> losses)
    {
        input = input.InOrderOf(Graph.Inputs, "input");
        int n = Executable.CountSamples(input, Graph, BatchSize);
        targets.CheckFor(_objectives, n);
        if (losses.Length != n)
            throw new ArgumentException($"{losses.Length} values were passed, but a batch of {n} samples has {n}.",
                nameof(losses));
        float[][] outputs = [.. Graph.Outputs.Select(output => new float[n * output.Shape.Length])];
        Infer(input, BatchBuffers.InOrder(outputs));
        losses.Clear();
        var own = new double[n];
        foreach ((Node output, Loss loss, float weight) in _objectives)
        {
            loss.EvaluateSamples(output.Shape, outputs[NamedTensors.IndexOf(output.Name, Graph.Outputs, "output")],
                targets.For(output), own);
            for (int sample = 0; sample < n; sample++)
                losses[sample] += weight * own[sample];
        }
    }

    // A rank without samples has made a pass over one that does not count.
    private float[][] MemoryForPass(BatchBuffers wanted, IReadOnlyList<Node> nodes)
        => MemoryFor(wanted, nodes, Math.Max(1, Own.Count));

    private static float[][] MemoryFor(BatchBuffers wanted, IReadOnlyList<Node> nodes, int samples)
    {
        var memory = new float[nodes.Count][];
        for (int i = 0; i < memory.Length; i++)
            memory[i] = new float[wanted[i].IsEmpty ? 0 : samples * nodes[i].Shape.Length];
        return memory;
    }

    // Whether the outputs of the last pass are wanted where they are in the whole batch.
    private bool WritesInPlace => ReadsOwnOutputs && Own.Count > 0;

    private BatchBuffers OwnPart(BatchBuffers all) => all.Slice(Own.First, Own.Count, Graph.Outputs);

    // Writes the outputs of the last pass of all ranks, unless the own ones are wanted and there are none.
    private void WriteOutputs(float[][] own, BatchBuffers all)
    {
        if (!ReadsOwnOutputs)
            Gather(own, all, Graph.Outputs, _samples);
    }

    // Writes what all ranks have computed. Each sends as many samples as the one with most of them, in groups that fit
    // into a message.
    private void Gather(float[][] own, BatchBuffers all, IReadOnlyList<Node> nodes, int n)
    {
        int most = Share.Largest(n);
        for (int i = 0; i < own.Length; i++)
        {
            if (all[i].IsEmpty)
                continue;
            int length = nodes[i].Shape.Length,
                group = (int)Math.Clamp(_mostGathered / ((long)length * Share.Ranks), 1, most);
            for (int start = 0; start < most; start += group)
                GatherSamples(own[i], all[i], length, n, start, Math.Min(group, most - start));
        }
    }

    // Of each rank, up to count samples from a start within its share.
    private void GatherSamples(ReadOnlySpan<float> own, Span<float> all, int length, int n, int start, int count)
    {
        float[] sent = new float[count * length], received = new float[sent.Length * Share.Ranks];
        int mine = Share.Of(n).Count;
        own.Slice(Math.Min(start, mine) * length, Here(mine) * length).CopyTo(sent);
        _communicator.Gather<float>(sent, received);
        for (int rank = 0; rank < Share.Ranks; rank++)
        {
            (int first, int samples) = new BatchShare(rank, Share.Ranks).Of(n);
            received.AsSpan(rank * sent.Length, Here(samples) * length)
                .CopyTo(all[((first + Math.Min(start, samples)) * length)..]);
        }

        int Here(int samples) => Math.Clamp(samples - start, 0, count);
    }
}
