namespace ConvNet;

/// <summary>Provides operations that are common to all executables.</summary>
public static class ExecutableExtensions
{
    /// <summary>Writes the initial values of all parameters and buffers.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="initializer">Draws the values that are not constants.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="InvalidOperationException">A call of the executable is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
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

    /// <summary>Freezes parameters by name.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="patterns">Names such as <c>conv1.bias</c>; <c>*</c> matches any characters, <c>?</c> matches
    /// one.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">A pattern matches no trainable parameter of the graph.</exception>
    /// <inheritdoc cref="IExecutable.Freeze" path="/exception"/>
    public static void Freeze(this IExecutable executable, params IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Freeze(Named(executable.Graph, patterns));
    }

    /// <summary>Freezes all parameters of a layer.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="node">The node of the layer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <exception cref="ArgumentException">The layer has no trainable parameters.</exception>
    /// <inheritdoc cref="IExecutable.Freeze" path="/exception"/>
    public static void Freeze(this IExecutable executable, Node node)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Freeze(TrainableOf(node));
    }

    /// <summary>Makes frozen parameters trainable again, by name.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
    /// <inheritdoc cref="Freeze(IExecutable, IEnumerable{string})"/>
    public static void Unfreeze(this IExecutable executable, params IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(executable);
        executable.Unfreeze(Named(executable.Graph, patterns));
    }

    /// <summary>Makes all parameters of a layer trainable again.</summary>
    /// <exception cref="ArgumentNullException"><paramref name="executable"/> is null.</exception>
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
            : throw new ArgumentException($"{node.Place} has no trainable parameters to freeze.",
                nameof(node));
    }

    private static Parameter[] Named(Graph graph, IEnumerable<string> patterns)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        return ParameterGroup.TrainableIn(graph, patterns);
    }

    /// <summary>Copies all parameters and buffers to another executable of the same graph, on any backend; or those
    /// that it has in common with another network.</summary>
    /// <param name="executable">The executable to read.</param>
    /// <param name="other">The executable to write.</param>
    /// <param name="strict">Whether both must be of the same graph. If not, the parameters and buffers with the same
    /// name and dimensions are copied, as for transfer learning (<see cref="Graph.WithLayer"/>).</param>
    /// <returns>The parameters and buffers of the other executable that were not written; empty if it is
    /// strict.</returns>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The other executable belongs to another graph; or it is not strict, and
    /// nothing is in common.</exception>
    /// <exception cref="InvalidOperationException">A trainable parameter has not been written, or a call of one of the
    /// executables is in progress.</exception>
    /// <exception cref="ObjectDisposedException">An executable or its backend is disposed.</exception>
    public static IReadOnlyList<Parameter> CopyParametersTo(this IExecutable executable, IExecutable other,
        bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(other);
        if (strict && executable.Graph != other.Graph)
            throw new ArgumentException("The other executable was compiled from another graph. Copy between "
                + "executables of the same graph, or the parameters that both have in common with strict: false.",
                nameof(other));
        if (!strict)
            return MatchingParameters.Copy(executable.Graph, executable.ValuesOf, other);
        foreach (Parameter parameter in executable.Graph.Parameters)
            other.Write(parameter, executable.ValuesOf(parameter));
        return [];
    }

    /// <summary>Returns the values of a parameter or a buffer, in the order of its dimensions.</summary>
    /// <param name="executable">The executable.</param>
    /// <param name="parameter">A parameter or a buffer of the graph.</param>
    /// <exception cref="ArgumentNullException">An argument is null.</exception>
    /// <exception cref="ArgumentException">The parameter belongs to another graph.</exception>
    /// <inheritdoc cref="IExecutable.Read" path="/exception[not(contains(@cref, 'Argument'))]"/>
    public static float[] ValuesOf(this IExecutable executable, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(executable);
        ArgumentNullException.ThrowIfNull(parameter);
        var values = new float[parameter.Length];
        executable.Read(parameter, values);
        return values;
    }
}
