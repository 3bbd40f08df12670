using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using ConvNet.Serialization;

namespace ConvNet.Mpi.Checking;

/// <summary>Makes each call on all ranks, each in a thread of its own, and returns the results of rank 0, which all
/// others must have too, bit for bit.</summary>
internal sealed class LocalRanksExecutable(IReadOnlyList<LocalCommunicator> communicators, DataParallel[] ranks)
    : IExecutable, IDeclaresAlgorithms
{
    // From an exception on one rank until the others, which may wait for it, are told.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private delegate void BatchReader(DataParallel rank, BatchBuffers values);

    private DataParallel First => ranks[0];

    public Graph Graph => First.Graph;

    public int BatchSize => First.BatchSize;

    public TrainingSpec? Spec => First.Spec;

    public SumAlgorithm AlgorithmOf(Node node, SumPass pass) => First.AlgorithmOf(node, pass);

    public void Forward(BatchValues input)
    {
        float[][] values = Kept(input.InOrderOf(Graph.Inputs, "input"), Graph.Inputs);
        Each(rank => rank.Forward(BatchValues.InOrder(values)));
    }

    public double Loss(Targets targets)
    {
        var kept = new KeptTargets(targets);
        return Agreed("the loss", rank => rank.Loss(kept.Targets));
    }

    public double ReadLoss(string output) => Agreed($"the loss of {output}", rank => rank.ReadLoss(output));

    public void Backward(bool accumulate = false) => Each(rank => rank.Backward(accumulate));

    public void Backward(BatchValues outputGradient, bool accumulate = false)
    {
        Node[] nodes = [.. Spec!.Losses.For(Graph).Select(objective => objective.Output)];
        float[][] values = Kept(outputGradient.InOrderOf(nodes, "output with a loss", all: false), nodes);
        Each(rank => rank.Backward(BatchValues.InOrder(values), accumulate));
    }

    public void Step(float learningRate) => Each(rank => rank.Step(learningRate));

    public double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default)
    {
        float[][] values = Kept(input.InOrderOf(Graph.Inputs, "input"), Graph.Inputs);
        var kept = new KeptTargets(targets);
        if (output.IsEmpty)
            return Agreed("the loss", rank => rank.TrainStep(BatchValues.InOrder(values), kept.Targets, learningRate));
        double loss = 0;
        Read("outputs", output.InOrderOf(Graph.Outputs, "output"), Graph.Outputs, (rank, buffers) =>
        {
            double own = rank.TrainStep(BatchValues.InOrder(values), kept.Targets, learningRate, buffers);
            if (rank == First)
                loss = own;
        });
        return loss;
    }

    public void Infer(BatchValues input, BatchBuffers output)
    {
        float[][] values = Kept(input.InOrderOf(Graph.Inputs, "input"), Graph.Inputs);
        Read("inferred outputs", output.InOrderOf(Graph.Outputs, "output"), Graph.Outputs,
            (rank, buffers) => rank.InferTogether(BatchValues.InOrder(values), buffers));
    }

    public void InferLosses(BatchValues input, Targets targets, Span<double> losses)
        => First.InferLosses(input, targets, losses);

    public void ReadOutput(BatchBuffers output) => Read("outputs", output.InOrderOf(Graph.Outputs, "output"),
        Graph.Outputs, (rank, buffers) => rank.ReadOutput(buffers));

    public void ReadInputGradient(BatchBuffers values) => Read("gradients of inputs",
        values.InOrderOf(Graph.Inputs, "input"), Graph.Inputs, (rank, buffers) => rank.ReadInputGradient(buffers));

    public void Read(Parameter parameter, Span<float> values)
        => Read(parameter.Name, values, (rank, own) => rank.Read(parameter, own));

    public void Write(Parameter parameter, ReadOnlySpan<float> values)
    {
        foreach (DataParallel rank in ranks)
            rank.Write(parameter, values);
    }

    public void ReadGradient(Parameter parameter, Span<float> values)
        => Read($"the gradient of {parameter.Name}", values, (rank, own) => rank.ReadGradient(parameter, own));

    public void WriteGradient(Parameter parameter, ReadOnlySpan<float> values)
    {
        foreach (DataParallel rank in ranks)
            rank.WriteGradient(parameter, values);
    }

    public void ScaleGradients(float factor) => Array.ForEach(ranks, rank => rank.ScaleGradients(factor));

    public double ClipGradientNorm(float maxNorm)
        => Agreed("the norm of the gradients", rank => rank.ClipGradientNorm(maxNorm));

    public void ClipGradientValue(float maxValue) => Array.ForEach(ranks, rank => rank.ClipGradientValue(maxValue));

    public int SampleOffset
    {
        get => First.SampleOffset;
        set => Array.ForEach(ranks, rank => rank.SampleOffset = value);
    }

    public GradientReadyCallback? GradientReady
    {
        get => First.GradientReady;
        set => First.GradientReady = value;
    }

    public bool IsFrozen(Parameter parameter) => First.IsFrozen(parameter);

    public void Freeze(params IEnumerable<Parameter> parameters)
        => Array.ForEach(ranks, rank => rank.Freeze(parameters));

    public void Unfreeze(params IEnumerable<Parameter> parameters)
        => Array.ForEach(ranks, rank => rank.Unfreeze(parameters));

    public TrainingState SaveState() => First.SaveState();

    public void LoadState(TrainingState state) => Array.ForEach(ranks, rank => rank.LoadState(state));

    public void Dispose() => Array.ForEach(ranks, rank => rank.Dispose());

    private static float[][] Kept(BatchValues values, IReadOnlyList<Node> nodes)
    {
        var kept = new float[nodes.Count][];
        for (int i = 0; i < kept.Length; i++)
            kept[i] = [.. values[i]];
        return kept;
    }

    private void Each(Action<DataParallel> call)
    {
        Task[] tasks = [.. ranks.Select(rank => Task.Factory.StartNew(() => call(rank), CancellationToken.None,
            TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Task all = Task.WhenAll(tasks);
        // A rank that has failed may be waited for.
        while (!Task.WaitAny([all], s_patience).Equals(0))
        {
            if (Array.FindIndex(tasks, task => task.IsFaulted) is >= 0 and var failed)
                communicators[failed].Fail(tasks[failed].Exception!.InnerException!.Message);
        }
        Exception[] errors = [.. tasks.Select(task => task.Exception?.InnerException).OfType<Exception>()];
        if (errors.Length > 0)
            ExceptionDispatchInfo.Throw(errors.OrderBy(error => error is RankFailedException).First());
    }

    private double Agreed(string what, Func<DataParallel, double> call)
    {
        var results = new double[ranks.Length];
        Each(rank => results[Array.IndexOf(ranks, rank)] = call(rank));
        Check(what, Array.FindIndex(results, result => !result.Equals(results[0])));
        return results[0];
    }

    private void Read(string what, Span<float> values, Action<DataParallel, float[]> read)
    {
        float[][] own = new float[ranks.Length][];
        for (int i = 0; i < own.Length; i++)
            own[i] = new float[values.Length];
        Each(rank => read(rank, own[Array.IndexOf(ranks, rank)]));
        Check(what, Array.FindIndex(own, other => !HasBitsOf(other, own[0])));
        own[0].CopyTo(values);
    }

    private void Read(string what, BatchBuffers values, IReadOnlyList<Node> nodes, BatchReader read)
    {
        var own = new float[ranks.Length][][];
        for (int i = 0; i < own.Length; i++)
        {
            own[i] = new float[nodes.Count][];
            for (int node = 0; node < nodes.Count; node++)
                own[i][node] = new float[values[node].Length];
        }
        Each(rank => read(rank, BatchBuffers.InOrder(own[Array.IndexOf(ranks, rank)])));
        for (int node = 0; node < nodes.Count; node++)
        {
            Check(what, Array.FindIndex(own, other => !HasBitsOf(other[node], own[0][node])));
            own[0][node].CopyTo(values[node]);
        }
    }

    private static bool HasBitsOf(float[] values, float[] others)
        => MemoryMarshal.AsBytes(values.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(others.AsSpan()));

    private static void Check(string what, int other)
    {
        if (other > 0)
            throw new InvalidDataException($"Rank {other} has other bits than rank 0: {what}.");
    }
}
