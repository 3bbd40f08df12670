using ConvNet.Serialization;

namespace ConvNet;

/// <summary>A compiled graph with its parameters: forward, loss, backward, step.</summary>
/// <remarks>
/// Inputs and outputs are contiguous N×C×H×W values. The number of samples follows from the length of the inputs and
/// may be smaller than the batch size. If the graph has one input and one output, the values are passed as an array or
/// a span; otherwise they are passed by name (<see cref="BatchValues"/>, <see cref="BatchBuffers"/>,
/// <see cref="Targets"/>). Spans may refer to any memory; their contents are copied. An executable serves one caller
/// at a time. A concurrent call, including <see cref="IDisposable.Dispose"/>, throws
/// <see cref="InvalidOperationException"/> and does not disturb the call in progress.
/// <para>
/// Every trainable parameter must first be written, by <see cref="ExecutableExtensions.Initialize"/>, from a saved
/// model or by <see cref="Write"/>; buffers have initial values. <see cref="Backward(bool)"/> requires a
/// <see cref="Forward"/> with the current parameters: after a <see cref="Step"/> or a <see cref="Write"/> it throws
/// until the next <see cref="Forward"/>. Reading and <see cref="Infer"/> are allowed between any two calls. A further
/// <see cref="Step"/> with the same gradients is allowed too.
/// </para>
/// <para>
/// If the loss of a forward pass is NaN or infinite, the buffers are left unchanged, and the next pass uses the same
/// random masks. If a pass throws, the parameters, the buffers and the optimiser's state keep the values they had
/// before it, and training continues with the next <see cref="Forward"/>. An exception thrown by a user-defined layer,
/// loss or optimiser is passed on unchanged; <see cref="FailurePlace"/> tells where it was thrown.
/// </para>
/// </remarks>
public interface IExecutable : IDisposable
{
    /// <summary>The graph that was compiled.</summary>
    Graph Graph { get; }

    /// <summary>The number of samples in a full batch.</summary>
    int BatchSize { get; }

    /// <summary>How the graph is trained; null if it was compiled for inference only.</summary>
    TrainingSpec? Spec { get; }

    /// <summary>Operation 1: computes the outputs of a batch in training mode.</summary>
    /// <param name="input">The N×C×H×W values of the input, or of each input by name, with
    /// 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <exception cref="ArgumentException">
    /// The length is not a whole number of samples or exceeds a batch; the inputs have different numbers of samples; or
    /// an input is missing, unknown or given twice.
    /// </exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, the graph was compiled
    /// for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Forward(BatchValues input);

    /// <summary>Operation 2: computes the mean loss of the batch of the last forward pass. With several losses the
    /// result is Σ weight·loss.</summary>
    /// <param name="targets">
    /// The class labels or values that the loss takes, or those of each output with a loss by name. Arrays and spans
    /// convert implicitly.
    /// </param>
    /// <exception cref="ArgumentException">
    /// The kind or number of targets is not what the loss takes, a label or sample weight is out of range, or an output
    /// with a loss has no targets.
    /// </exception>
    /// <exception cref="InvalidOperationException">There is no forward pass whose loss could be computed, the graph was
    /// compiled for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    double Loss(Targets targets);

    /// <summary>Reads the unweighted mean loss of one output from the last <see cref="Loss"/> or
    /// <see cref="TrainStep"/>.</summary>
    /// <param name="output">The name of an output that has a loss.</param>
    /// <exception cref="ArgumentNullException">The name is null.</exception>
    /// <exception cref="ArgumentException">No output with this name has a loss.</exception>
    /// <exception cref="InvalidOperationException">The loss has not been computed since the last forward pass, the
    /// graph was compiled for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    double ReadLoss(string output);

    /// <summary>Operation 3: computes the gradients of all parameters that are not frozen and that a loss depends on.
    /// They replace the previous gradients unless they are accumulated.</summary>
    /// <param name="accumulate">
    /// Whether the new gradients are added to the existing ones. If there are none yet, they are stored.
    /// </param>
    /// <exception cref="InvalidOperationException">
    /// The loss has not been computed since the last backward pass; <see cref="Step"/> or <see cref="Write"/> was
    /// called after <see cref="Forward"/>; the existing gradients belong to other values of the parameters and cannot
    /// be accumulated; or another call is in progress.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Backward(bool accumulate = false);

    /// <summary>Operation 3: computes the gradients of all parameters from a given gradient of the output.</summary>
    /// <param name="outputGradient">
    /// One value for each value of the output in the batch of the last forward pass; or, by name, the gradients of some
    /// of the outputs that have a loss. The gradients of the others are zero.
    /// </param>
    /// <param name="accumulate">Whether the new gradients are added to the existing ones.</param>
    /// <exception cref="ArgumentException">A gradient has another length than its output, or an output is unknown,
    /// given twice or has no loss.</exception>
    /// <exception cref="InvalidOperationException"> There has been no forward pass since the last backward pass;
    /// <see cref="Step"/> or <see cref="Write"/> was called after <see cref="Forward"/>; the existing gradients belong
    /// to other values of the parameters and cannot be accumulated; or another call is in progress. </exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Backward(BatchValues outputGradient, bool accumulate = false);

    /// <summary>
    /// Operation 4: updates the parameters that have a gradient. Frozen parameters and those that no loss depends on
    /// stay as they are; neither weight decay nor momentum moves them. The gradients are kept, so a second call
    /// applies them again.
    /// </summary>
    /// <param name="learningRate">The learning rate α, a finite number.</param>
    /// <exception cref="ArgumentOutOfRangeException">The learning rate is not finite.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients because no backward pass has run, the graph
    /// was compiled for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Step(float learningRate);

    /// <summary>
    /// Performs all four operations; a backend may fuse them. If the loss is NaN or infinite, no update is made and the
    /// state is left unchanged.
    /// </summary>
    /// <param name="input">The N×C×H×W values of the input, or of each input by name, with
    /// 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <param name="targets">
    /// The class labels or values that the loss takes, or those of each output with a loss by name. Arrays and spans
    /// convert implicitly.
    /// </param>
    /// <param name="learningRate">The learning rate α, a finite number.</param>
    /// <param name="output">Receives the output of the forward pass, or some outputs by name; empty if the output is
    /// not needed.</param>
    /// <returns>The mean loss before the update. With several losses it is Σ weight·loss.</returns>
    /// <exception cref="ArgumentException">An argument is not what <see cref="Forward"/>, <see cref="Loss"/> or
    /// <see cref="ReadOutput"/> takes.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The learning rate is not finite.</exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, the graph was compiled
    /// for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    double TrainStep(BatchValues input, Targets targets, float learningRate, BatchBuffers output = default);

    /// <summary>Computes the output of a batch in inference mode: with running statistics and without dropout. A
    /// training pass in progress is not affected.</summary>
    /// <param name="input">The N×C×H×W values of the input, or of each input by name, with
    /// 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <param name="output">Receives the N×C×H×W values of the output, or of some outputs by name.</param>
    /// <exception cref="ArgumentException">
    /// The length of the input is not a whole number of samples or exceeds a batch; the inputs have different numbers
    /// of samples; the output has another length; or a name is missing, unknown or given twice.
    /// </exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, or another call is in
    /// progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Infer(BatchValues input, BatchBuffers output);

    /// <summary>Computes the loss of each sample of a batch in inference mode, without gradients, such as to find the
    /// worst mistakes. A training pass in progress is not affected.</summary>
    /// <remarks>The loss of a sample is the one that it would have as a batch of its own. Sample weights have no
    /// effect. With several losses it is Σ weight·loss.</remarks>
    /// <param name="input">The N×C×H×W values of the input, or of each input by name, with
    /// 1 ≤ N ≤ <see cref="BatchSize"/>.</param>
    /// <param name="targets">The class labels or values that the loss takes, or those of each output with a loss by
    /// name.</param>
    /// <param name="losses">Receives N losses.</param>
    /// <exception cref="ArgumentException">The input or the targets are not what <see cref="Infer"/> and
    /// <see cref="Loss"/> take, or there are more or fewer losses than samples.</exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, the graph was compiled
    /// for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void InferLosses(BatchValues input, Targets targets, Span<double> losses);

    /// <summary>Reads the output of the last <see cref="Forward"/>, or some outputs by name.</summary>
    /// <param name="output">Receives the N×C×H×W values.</param>
    /// <exception cref="ArgumentException">The length is another than that of the output, or a name is unknown or given
    /// twice.</exception>
    /// <exception cref="InvalidOperationException">No forward pass has run since the last backward pass, or another
    /// call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void ReadOutput(BatchBuffers output);

    /// <summary>Reads a parameter or a buffer in the order of its dimensions.</summary>
    /// <param name="parameter">A parameter or a buffer of the graph.</param>
    /// <param name="values">Receives the values.</param>
    /// <exception cref="ArgumentNullException">The parameter is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph, or the length is not
    /// <see cref="Parameter.Length"/>.</exception>
    /// <exception cref="InvalidOperationException">The parameter is trainable and has not been written, or another call
    /// is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Read(Parameter parameter, Span<float> values);

    /// <summary>Writes a parameter or a buffer in the order of its dimensions.</summary>
    /// <param name="parameter">A parameter or a buffer of the graph.</param>
    /// <param name="values">The values.</param>
    /// <exception cref="ArgumentNullException">The parameter is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph, or the length is not
    /// <see cref="Parameter.Length"/>.</exception>
    /// <exception cref="InvalidOperationException">Another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void Write(Parameter parameter, ReadOnlySpan<float> values);

    /// <summary>Reads the gradient of a parameter.</summary>
    /// <param name="parameter">A parameter of the graph.</param>
    /// <param name="values">Receives the values, in the order of the parameter's dimensions.</param>
    /// <exception cref="ArgumentNullException">The parameter is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph or is a buffer, or the length is not
    /// <see cref="Parameter.Length"/>.</exception>
    /// <exception cref="InvalidOperationException">No backward pass has run, the parameter is frozen, no loss depends
    /// on it, the graph was compiled for inference only or with <c>KeepGradients: false</c>, or another call is in
    /// progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void ReadGradient(Parameter parameter, Span<float> values);

    /// <summary>Writes the gradient of a parameter, to be used by the next <see cref="Step"/>.</summary>
    /// <param name="parameter">A parameter of the graph.</param>
    /// <param name="values">The values, in the order of the parameter's dimensions.</param>
    /// <exception cref="ArgumentNullException">The parameter is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph or is a buffer, or the length is not
    /// <see cref="Parameter.Length"/>.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients because no backward pass has run, the
    /// parameter is frozen, no loss depends on it, the graph was compiled for inference only, or another call is in
    /// progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void WriteGradient(Parameter parameter, ReadOnlySpan<float> values);

    /// <summary>Multiplies all gradients by a factor.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The factor is not finite.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients because no backward pass has run, the graph
    /// was compiled for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void ScaleGradients(float factor);

    /// <summary>
    /// Scales all gradients so that their Euclidean norm, taken over all parameters together, is at most
    /// <paramref name="maxNorm"/>. The factor is maxNorm / (norm + 10⁻⁶) and is applied only if it is less than 1.
    /// </summary>
    /// <returns>The norm before scaling.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The maximum norm is not a positive finite number.</exception>
    /// <exception cref="ArithmeticException">A gradient is NaN or infinite; the gradients are left
    /// unchanged.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients because no backward pass has run, the graph
    /// was compiled for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    double ClipGradientNorm(float maxNorm);

    /// <summary>Clamps every gradient value to ±<paramref name="maxValue"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The maximum value is not a positive finite number.</exception>
    /// <exception cref="InvalidOperationException">There are no gradients because no backward pass has run, the graph
    /// was compiled for inference only, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void ClipGradientValue(float maxValue);

    /// <summary>
    /// The index of the executable's first sample in the whole batch. The default is 0. With it, several executables
    /// that share a batch draw the same random masks as one executable that processes the whole batch.
    /// </summary>
    /// <remarks>
    /// The value takes effect at the next <see cref="Forward"/> and is not part of the training state. The loss of an
    /// executable is the mean over its own samples, so the gradient of the whole batch is the mean of the gradients of
    /// all executables, weighted by their numbers of samples, or by what else their losses divide by. With
    /// <see cref="Reduction.Sum"/> it is their sum.
    /// </remarks>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    /// <exception cref="InvalidOperationException">Another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    int SampleOffset { get; set; }

    /// <summary>
    /// A callback that is invoked during a backward pass whenever a bucket of gradients is final. It allows an
    /// all-reduce to overlap the rest of the pass. The default is null.
    /// </summary>
    /// <remarks>
    /// Buckets are reported in the same order in every run, from the last layers to the first; together they contain
    /// every gradient exactly once. With <c>accumulate</c> they contain the accumulated gradients. Changes made by the
    /// callback are visible to <see cref="ReadGradient"/> and <see cref="Step"/>. The callback runs on the caller's
    /// thread, also within <see cref="TrainStep"/>, and must not use the executable itself. If it throws, the pass ends
    /// with that exception: no gradients are available, and the parameters, the buffers and the optimiser's state keep
    /// the values they had before the pass.
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// The graph was compiled for inference only or with <c>KeepGradients: false</c>, or another call is in progress.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    GradientReadyCallback? GradientReady { get; set; }

    /// <summary>Whether a parameter is frozen, that is, has no gradient and is not updated.</summary>
    /// <param name="parameter">A parameter or a buffer.</param>
    /// <exception cref="ArgumentNullException">The parameter is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph.</exception>
    /// <exception cref="InvalidOperationException">Another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    bool IsFrozen(Parameter parameter);

    /// <summary>Freezes parameters: they get no gradient and are no longer updated.</summary>
    /// <remarks>
    /// A layer whose trainable parameters are all frozen runs as in inference: batch normalisation uses its running
    /// statistics and does not update them. The optimiser's state of a parameter is preserved until
    /// <see cref="Unfreeze"/>. Parameters frozen from the start by <see cref="ParameterGroup.Frozen"/> need no memory
    /// for gradients and state. If the set of frozen parameters changes, existing gradients and a pass in progress are
    /// discarded.
    /// </remarks>
    /// <param name="parameters">The parameters.</param>
    /// <exception cref="ArgumentNullException">The parameters or one of them are null.</exception>
    /// <exception cref="ArgumentException">A parameter is a buffer or belongs to another graph.</exception>
    /// <exception cref="InvalidOperationException">The graph was compiled for inference only, the executable is being
    /// recorded, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory; nothing has been changed.</exception>
    void Freeze(params IEnumerable<Parameter> parameters);

    /// <summary>Makes frozen parameters trainable again.</summary>
    /// <inheritdoc cref="Freeze"/>
    void Unfreeze(params IEnumerable<Parameter> parameters);

    /// <summary>
    /// Saves everything that determines the result of the next step: the parameters, the buffers, the optimiser's
    /// state, the step and pass counters, and which parameters are frozen.
    /// </summary>
    /// <exception cref="InvalidOperationException">
    /// The graph was compiled for inference only, a trainable parameter has not been written, or another call is in
    /// progress.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    TrainingState SaveState();

    /// <summary>Restores a state saved from an executable of the same graph and optimiser, on any backend.</summary>
    /// <remarks>The set of frozen parameters is taken from the state. Existing gradients and a pass in progress are
    /// discarded.</remarks>
    /// <param name="state">The state.</param>
    /// <exception cref="ArgumentNullException">The state is null.</exception>
    /// <exception cref="ArgumentException">
    /// The state belongs to another graph or another optimiser; nothing has been changed.
    /// </exception>
    /// <exception cref="InvalidOperationException">The graph was compiled for inference only, the executable is being
    /// recorded, or another call is in progress.</exception>
    /// <exception cref="InsufficientMemoryException">There is not enough memory; nothing has been changed.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void LoadState(TrainingState state);

    /// <summary>Reads the gradient of the input, or of some inputs by name, from the last backward pass.</summary>
    /// <param name="values">Receives the N×C×H×W values; they are zero if no loss depends on the input.</param>
    /// <exception cref="ArgumentException">The length is another than that of the input, or a name is unknown or given
    /// twice.</exception>
    /// <exception cref="InvalidOperationException">No backward pass has run since the last forward pass, the graph was
    /// not compiled with <c>InputGradient: true</c>, or another call is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    void ReadInputGradient(BatchBuffers values);
}
