namespace ConvNet;

/// <summary>Copies the parameters that two networks have in common, for transfer learning.</summary>
internal static class MatchingParameters
{
    /// <summary>Copies the parameters and buffers of one graph to those of an executable that have the same name and
    /// dimensions.</summary>
    /// <param name="graph">The graph that is copied from.</param>
    /// <param name="valuesOf">Returns the values of its parameters.</param>
    /// <param name="executable">The executable to write.</param>
    /// <returns>The parameters and buffers of the executable that keep their values.</returns>
    /// <exception cref="ArgumentException">None is the same; nothing has been written.</exception>
    public static IReadOnlyList<Parameter> Copy(Graph graph, Func<Parameter, float[]> valuesOf, IExecutable executable)
    {
        ILookup<string, Parameter> byName = graph.Parameters.ToLookup(own => own.Name, StringComparer.Ordinal);
        return Copy(executable, target => byName[target.Name].FirstOrDefault(own
            => own.Dimensions.SequenceEqual(target.Dimensions)) is { } same ? valuesOf(same) : null);
    }

    /// <summary>Copies tensors to the parameters and buffers of an executable for which there are some.</summary>
    /// <param name="executable">The executable to write.</param>
    /// <param name="find">Returns the values of a parameter; null if there are none.</param>
    /// <returns>The parameters and buffers of the executable that keep their values.</returns>
    /// <exception cref="ArgumentException">There are none for any; nothing has been written.</exception>
    public static IReadOnlyList<Parameter> Copy(IExecutable executable, Func<Parameter, float[]?> find)
    {
        var kept = new List<Parameter>();
        foreach (Parameter parameter in executable.Graph.Parameters)
        {
            if (find(parameter) is { } values)
                executable.Write(parameter, values);
            else
                kept.Add(parameter);
        }
        return kept.Count < executable.Graph.Parameters.Count || kept.Count == 0 ? kept : throw new ArgumentException(
            $"None of the {kept.Count} parameters of the network has the name and the dimensions of one that would be "
            + $"copied; the first is {kept[0]}. Use the names of the other network.", nameof(executable));
    }
}
