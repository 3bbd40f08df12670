using ConvNet.Serialization;

namespace ConvNet;

/// <summary>How a graph is to be trained.</summary>
/// <param name="BatchSize">Samples in a full batch; a smaller last batch is allowed.</param>
/// <param name="Losses">The loss, or one each for several outputs with their weights; a <see cref="Loss"/>
/// converts.</param>
/// <param name="Optimizer">The optimiser.</param>
public sealed record TrainingSpec(int BatchSize, Losses Losses, Optimizer Optimizer)
{
    private readonly int _gradientBucketBytes = 25 << 20;

    /// <summary>Whether the gradients of the inputs are computed, for
    /// <see cref="IExecutable.ReadInputGradient"/>.</summary>
    public bool InputGradient { get; init; }

    /// <summary>Whether the gradients of the parameters can be read.</summary>
    /// <remarks>
    /// Without, <see cref="IExecutable.TrainStep"/> may run the optimiser inside the weight
    /// gradient and store none: less memory, the same results. <see cref="IExecutable.Backward(bool)"/> and
    /// <see cref="IExecutable.Step"/> apart work as ever, and take the memory for gradients when they are first called.
    /// </remarks>
    public bool KeepGradients { get; init; } = true;

    /// <summary>The seed of random masks.</summary>
    public ulong Seed { get; init; }

    /// <summary>The most bytes of gradients that <see cref="IExecutable.GradientReady"/> is given at once, 25 MiB
    /// unless given; a larger parameter comes alone.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is below 1.</exception>
    public int GradientBucketBytes
    {
        get => _gradientBucketBytes;
        init => _gradientBucketBytes = value >= 1
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value),
                $"A bucket of {value} bytes holds no gradient; with 1 each parameter comes alone.");
    }
}

/// <summary>What a backend runs on.</summary>
/// <param name="Name">The backend, as <c>native</c>.</param>
/// <param name="Version">The version of what computes.</param>
/// <param name="Isa">The instruction set, as <c>avx512</c>.</param>
/// <param name="Threads">Threads that it uses.</param>
/// <param name="Library">The path of the library that was loaded; null where there is none.</param>
public sealed record BackendInfo(string Name, string Version, string Isa, int Threads, string? Library)
{
    /// <summary>Whether it may take less exact algorithms.</summary>
    public Precision Precision { get; init; } = Precision.Accurate;

    /// <summary>
    /// The name under which the command line makes this backend, as <c>native:avx2:accurate</c>; null where it has
    /// none.
    /// </summary>
    public string? Option { get; init; }

    /// <summary>What limits it on this machine, or is worked around; empty where nothing does.</summary>
    public IReadOnlyList<BackendLimit> Limits { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString()
        => RecordText.Of(nameof(BackendInfo), (nameof(Name), Name), (nameof(Version), Version),
        (nameof(Isa), Isa), (nameof(Threads), Threads), (nameof(Library), Library), (nameof(Precision), Precision),
        (nameof(Limits), Limits));
}

/// <summary>Something that runs graphs.</summary>
public interface IBackend : IDisposable
{
    /// <summary>What it runs on.</summary>
    BackendInfo Info { get; }

    /// <summary>Compiles a graph for training.</summary>
    /// <exception cref="NotSupportedException">The backend lacks a layer, the loss or the optimiser; the message names
    /// it.</exception>
    /// <exception cref="ArgumentException">
    /// The graph has no layers, a node that leads nowhere, or several ends of which none is declared as an output; the
    /// batch size is below 1; or a loss names an output, or the optimiser a parameter, that the graph lacks.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">There is not as much memory as it takes.</exception>
    /// <exception cref="ObjectDisposedException">The backend is disposed.</exception>
    IExecutable Compile(Graph graph, TrainingSpec spec);

    /// <summary>Compiles a graph for inference only: no gradients, and batch norm may be folded into its
    /// neighbour.</summary>
    /// <inheritdoc cref="Compile" path="/exception"/>
    IExecutable CompileInference(Graph graph, int batchSize);
}

/// <summary>A compiled graph with its parameters: forward, loss, backward, step.</summary>
/// <remarks>
/// Inputs and outputs are contiguous, N×C×H×W; the number of samples follows from the length of the inputs and may be
/// smaller than the batch size. Of a graph with one input and one output they are given as an array or a span, else by
/// name (<see cref="BatchValues"/>, <see cref="BatchBuffers"/>, <see cref="Targets"/>). One caller at a time: a second
/// one, also one that disposes it, gets an <see cref="InvalidOperationException"/>, and the first call ends well. Spans
/// may lie anywhere in memory; they are copied.
/// <para>
/// Every trainable parameter is written first, by <see cref="ExecutableExtensions.Initialize"/>, a saved model or
/// <see cref="Write"/>; buffers have initial values. <see cref="Backward(bool)"/> needs a <see cref="Forward"/> with
/// the parameters that are there: after a <see cref="Step"/> or a <see cref="Write"/> it is refused until the next
/// <see cref="Forward"/>. Reading and <see cref="Infer"/> are allowed between any two calls, and so is another
/// <see cref="Step"/> with the same gradients.
/// </para>
/// <para>
/// A forward pass whose loss is NaN or infinite leaves no trace in the buffers, and its random masks are those of the
/// next one. After an exception in a pass the parameters, the buffers and the optimiser's state are those before it,
/// and the next <see cref="Forward"/> begins anew. An exception of the user's own layer, loss or optimiser comes as it
/// is; <see cref="FailurePlace"/> says where it was thrown.
/// </para>
/// </remarks>
public interface IExecutable : IDisposable
{
    /// <summary>The graph that was compiled.</summary>
    Graph Graph { get; }

    /// <summary>Samples in a full batch.</summary>
    int BatchSize { get; }

    /// <summary>How it trains; null when it was compiled for inference only.</summary>
    TrainingSpec? Spec { get; }

    /// <summary>1: computes the outputs of a batch, in training mode.</summary>
    /// <param name="input">N×C×H×W of the input or of each input by name, 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <exception cref="ArgumentException">
    /// The length is no whole number of samples, or more than a batch; inputs have different numbers of samples; or an
    /// input is missing, unknown or there twice.
    /// </exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written.</exception>
    void Forward(BatchValues input);

    /// <summary>2: the mean loss of the batch that went forward; of several losses, Σ weight·loss.</summary>
    /// <param name="targets">
    /// Class labels or values, as the loss takes them, or those of each output with a loss by name; arrays and spans
    /// convert.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The targets are not of the kind or number that the loss takes, a label or sample weight is out of range, or an
    /// output with a loss has no targets.
    /// </exception>
    double Loss(Targets targets);

    /// <summary>The mean loss of one output, without its weight, from the last <see cref="Loss"/> or
    /// <see cref="TrainStep"/>.</summary>
    /// <param name="output">The name of an output that has a loss.</param>
    /// <exception cref="ArgumentException">No output of this name has a loss.</exception>
    /// <exception cref="InvalidOperationException">No loss was evaluated since the last forward pass.</exception>
    double ReadLoss(string output);

    /// <summary>3: the gradients of all parameters. They overwrite the ones before, unless they are to be
    /// added.</summary>
    /// <param name="accumulate">
    /// Whether the gradients are added to those that are there. There may be none: then it is the first batch.
    /// </param>
    /// <exception cref="InvalidOperationException">
    /// No loss was evaluated since the last backward pass; <see cref="Step"/> or <see cref="Write"/> came after
    /// <see cref="Forward"/>; or gradients are to be added to those of other values of the parameters.
    /// </exception>
    void Backward(bool accumulate = false);

    /// <summary>3: the gradients of all parameters from a gradient of the output.</summary>
    /// <param name="outputGradient">
    /// One value for each value of the output in the batch that went forward; or, by name, those of some outputs that
    /// have a loss. The others' are zero.
    /// </param>
    /// <param name="accumulate">Whether the gradients are added to those that are there.</param>
    /// <inheritdoc cref="Backward(bool)" path="/exception"/>
    void Backward(BatchValues outputGradient, bool accumulate = false);

    /// <summary>
    /// 4: moves the parameters against their gradients, which stay: a second step moves them once more.
    /// </summary>
    /// <param name="learningRate">α, a finite number.</param>
    void Step(float learningRate);

    /// <summary>
    /// All four steps; a backend may fuse them. Where the loss is NaN or infinite no step is made: everything stays
    /// as it was.
    /// </summary>
    /// <param name="input">N×C×H×W of the input or of each input by name, 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <param name="targets">
    /// Class labels or values, as the loss takes them, or those of each output with a loss by name; arrays and spans
    /// convert.
    /// </param>
    /// <param name="learningRate">α, a finite number.</param>
    /// <param name="output">The output of the forward pass, or some by name, overwritten; empty if none is
    /// wanted.</param>
    /// <returns>The mean loss before the step; of several losses, Σ weight·loss.</returns>
    double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default);

    /// <summary>The output of a batch in inference mode: running statistics, no dropout, no change to a training pass
    /// under way.</summary>
    /// <param name="input">N×C×H×W of the input or of each input by name, 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <param name="output">N×C×H×W of the output, or of some by name, overwritten.</param>
    void Infer(BatchValues input, BatchBuffers output);

    /// <summary>Reads the output of the last <see cref="Forward"/>, or some by name.</summary>
    void ReadOutput(BatchBuffers output);

    /// <summary>Reads a parameter or a buffer, in the order of its dimensions.</summary>
    /// <exception cref="InvalidOperationException">It is a trainable parameter that has not been written.</exception>
    void Read(Parameter parameter, Span<float> values);

    /// <summary>Writes a parameter or a buffer, in the order of its dimensions.</summary>
    void Write(Parameter parameter, ReadOnlySpan<float> values);

    /// <summary>Reads the gradient of a parameter.</summary>
    /// <exception cref="InvalidOperationException">No backward pass has run, the parameter is frozen, or the spec says
    /// <c>KeepGradients: false</c>.</exception>
    void ReadGradient(Parameter parameter, Span<float> values);

    /// <summary>Writes the gradient of a parameter, for the next <see cref="Step"/>.</summary>
    /// <exception cref="InvalidOperationException">
    /// There are no gradients, for no backward pass has run, or the parameter is frozen.
    /// </exception>
    void WriteGradient(Parameter parameter, ReadOnlySpan<float> values);

    /// <summary>Multiplies all gradients by a factor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not finite.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients: no backward pass has run.</exception>
    void ScaleGradients(float factor);

    /// <summary>
    /// Scales all gradients so that their Euclidean norm, taken over all parameters together, is at most
    /// <paramref name="maxNorm"/>: by maxNorm / (norm + 10⁻⁶), where that is below 1.
    /// </summary>
    /// <returns>The norm before.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The norm is no finite number above 0.</exception>
    /// <exception cref="ArithmeticException">A gradient is NaN or infinite; all are as they were.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients: no backward pass has run.</exception>
    double ClipGradientNorm(float maxNorm);

    /// <summary>Limits every value of the gradients to ±<paramref name="maxValue"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is no finite number above 0.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients: no backward pass has run.</exception>
    void ClipGradientValue(float maxValue);

    /// <summary>
    /// The number of the executable's first sample in the whole batch, 0 unless set: executables that share a batch
    /// then draw the random masks of one.
    /// </summary>
    /// <remarks>
    /// It holds from the next <see cref="Forward"/> on, and is no part of the state. The loss of an executable is the
    /// mean over its own samples, so the gradient of the whole batch is the mean of theirs, weighted by their samples.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    int SampleOffset { get; set; }

    /// <summary>
    /// Called during a backward pass whenever a bucket of gradients is final, for an all-reduce that overlaps the rest
    /// of the pass; null unless set.
    /// </summary>
    /// <remarks>
    /// Buckets come in the same order in every run, from the last layers to the first; together they hold every
    /// gradient once. With <c>accumulate</c> they hold the sums. What the callback changes is what
    /// <see cref="ReadGradient"/> reads and <see cref="Step"/> takes. It runs on the thread of the caller, within
    /// <see cref="TrainStep"/> too, and cannot use the executable itself. If it throws, the exception ends the pass as
    /// it is: there are no gradients then, and parameters, buffers and the optimiser's state are those before the pass.
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// It was compiled for inference only, or with <c>KeepGradients: false</c>.
    /// </exception>
    GradientReadyCallback? GradientReady { get; set; }

    /// <summary>Whether a parameter is frozen: it has no gradient, and no step moves it.</summary>
    /// <param name="parameter">A parameter or a buffer.</param>
    bool IsFrozen(Parameter parameter);

    /// <summary>Freezes parameters: from now on they have no gradient, and no step moves them.</summary>
    /// <remarks>
    /// A layer whose trainable parameters are all frozen runs as in inference: batch normalisation takes its running
    /// statistics and leaves them. The optimiser's state of a parameter stays as it is until
    /// <see cref="Unfreeze"/>. Parameters are frozen from the start by <see cref="ParameterGroup.Frozen"/>, and then
    /// take no memory for gradients and state. Unless nothing changes, gradients that are there and a pass under way
    /// are forgotten.
    /// </remarks>
    /// <param name="parameters">The parameters.</param>
    /// <exception cref="ArgumentException">One is a buffer, or of another graph.</exception>
    /// <exception cref="InvalidOperationException">It was compiled for inference only, or is being
    /// recorded.</exception>
    /// <exception cref="InsufficientMemoryException">There is not as much memory as it takes; nothing has changed
    /// then.</exception>
    void Freeze(params IEnumerable<Parameter> parameters);

    /// <summary>Lets frozen parameters be trained again.</summary>
    /// <inheritdoc cref="Freeze"/>
    void Unfreeze(params IEnumerable<Parameter> parameters);

    /// <summary>
    /// Everything that decides what the next step computes: parameters, buffers, the optimiser's state, the numbers of
    /// the step and of the pass, and which parameters are frozen.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// It was compiled for inference only, or a trainable parameter has not been written.
    /// </exception>
    TrainingState SaveState();

    /// <summary>Goes on from a state, of an executable of the same graph and optimiser, of any backend.</summary>
    /// <remarks>The parameters that are frozen are those of the state. Gradients that are there, and a pass under way,
    /// are forgotten.</remarks>
    /// <exception cref="ArgumentException">
    /// It is of another graph or of another optimiser; nothing has changed then.
    /// </exception>
    /// <exception cref="InvalidOperationException">It was compiled for inference only.</exception>
    void LoadState(TrainingState state);

    /// <summary>Reads the gradient of the input, or of some by name, of the last backward pass.</summary>
    /// <param name="values">N×C×H×W values; zero where no loss depends on the input.</param>
    /// <exception cref="InvalidOperationException">No backward pass has run, or the spec does not say
    /// <c>InputGradient: true</c>.</exception>
    void ReadInputGradient(BatchBuffers values);
}

/// <summary>What is the same for every executable.</summary>
public static class ExecutableExtensions
{
    /// <summary>Writes the initial values of all parameters and buffers.</summary>
    public static void Initialize(this IExecutable executable, Initializer initializer)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(initializer);
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            initializer.Fill(parameter, values);
            executable.Write(parameter, values);
        }
    }

    /// <summary>Freezes parameters by their names.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="patterns">Names, as <c>conv1.bias</c>; <c>*</c> stands for any characters, <c>?</c> for
    /// one.</param>
    /// <exception cref="ArgumentException">No trainable parameter of the graph has a name of this pattern.</exception>
    /// <inheritdoc cref="IExecutable.Freeze" path="/exception"/>
    public static void Freeze(this IExecutable executable, params IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Freeze(Named(executable.Graph, patterns));
    }

    /// <summary>Freezes all parameters of a layer.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="node">The node of the layer.</param>
    /// <exception cref="ArgumentException">The layer has no trainable parameters.</exception>
    /// <inheritdoc cref="IExecutable.Freeze" path="/exception"/>
    public static void Freeze(this IExecutable executable, Node node)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Freeze(TrainableOf(node));
    }

    /// <summary>Lets frozen parameters be trained again, by their names.</summary>
    /// <inheritdoc cref="Freeze(IExecutable, IEnumerable{string})"/>
    public static void Unfreeze(this IExecutable executable, params IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Unfreeze(Named(executable.Graph, patterns));
    }

    /// <summary>Lets all parameters of a layer be trained again.</summary>
    /// <inheritdoc cref="Freeze(IExecutable, Node)"/>
    public static void Unfreeze(this IExecutable executable, Node node)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Unfreeze(TrainableOf(node));
    }

    private static Parameter[] TrainableOf(Node node)
    {
        ArgumentNullException.ThrowIfNull(node);
        Parameter[] trainable = [.. node.Parameters.Where(p => p.Trainable)];
        return trainable.Length > 0
            ? trainable
            : throw new ArgumentException($"{node.Place} has no trainable parameters, and nothing to freeze.",
                nameof(node));
    }

    private static Parameter[] Named(Graph graph, IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        var named = new List<Parameter>();
        foreach (string pattern in patterns)
        {
            ArgumentNullException.ThrowIfNull(pattern, nameof(patterns));
            Parameter[] matching = [.. graph.Parameters.Where(p => p.Trainable
                && ParameterGroup.Matches(pattern, p.Name))];
            if (matching.Length == 0)
                throw new ArgumentException(
                    $"No trainable parameter of the graph is called \"{Excerpt.Of(pattern)}\"; Graph.Parameters lists "
                    + "them." + NearMisses.Question(pattern, graph.Parameters.Where(p => p.Trainable)
                        .Select(p => p.Name)), nameof(patterns));
            named.AddRange(matching);
        }
        return [.. named];
    }

    /// <summary>Copies all parameters and buffers to another executable of the same graph, of any backend.</summary>
    /// <exception cref="ArgumentException">The other executable is of another graph.</exception>
    public static void CopyParametersTo(this IExecutable executable, IExecutable other)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(other);
        if (executable.Graph != other.Graph)
            throw new ArgumentException("The other executable was compiled from another graph; parameters move "
                + "between executables of one graph.", nameof(other));
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            var values = new float[parameter.Length];
            executable.Read(parameter, values);
            other.Write(parameter, values);
        }
    }
}
