using System.Buffers.Binary;

namespace ConvNet.Serialization;

/// <summary>The weights of a network in a file of another program: safetensors or a PyTorch checkpoint.</summary>
public static class WeightFile
{
    // Names of any depth would take any time.
    private const int MostModules = 8;

    // The first bytes of a zip archive.
    private static ReadOnlySpan<byte> Zip => "PK"u8;

    private static ReadOnlySpan<byte> Json => "{"u8;

    /// <summary>Reads the tensors of a file: of a PyTorch checkpoint (<see cref="TorchCheckpoint"/>), of a safetensors
    /// file (<see cref="SafeTensors"/>), or of the several safetensors files that an index names, such as
    /// <c>model.safetensors.index.json</c>; whatever its name.</summary>
    /// <param name="path">The path of the file.</param>
    /// <param name="names">The table of its names; null if they are those of the network.</param>
    /// <exception cref="ArgumentException">The path is empty.</exception>
    /// <exception cref="InvalidDataException">The file is damaged, or has other content; or two tensors have the same
    /// name by the table.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">There is no permission to read the file.</exception>
    public static IReadOnlyList<NamedTensor> Read(string path, WeightNames? names = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        IReadOnlyList<NamedTensor> tensors = IsTorch(path) ? TorchCheckpoint.Read(path).Tensors
            : IsIndex(path) ? TensorIndex.Read(path)
            : SafeTensors.Read(path).Tensors;
        if (names is null)
            return tensors;
        NamedTensor[] renamed = [.. from tensor in tensors
                                    let name = names.Of(tensor.Name)
                                    where name is not null
                                    select tensor with { Name = name }];
        if (renamed.GroupBy(tensor => tensor.Name, StringComparer.Ordinal).FirstOrDefault(same => same.Count() > 1)
            is { Key: var twice })
            throw new InvalidDataException($"{path}: the table of names gives the name \"{Excerpt.Of(twice)}\" to "
                + "several tensors.");
        return renamed;
    }

    /// <summary>Writes tensors into the parameters and buffers of a network. Everything is checked before.</summary>
    /// <param name="tensors">The tensors, by the names of the parameters, in any order. If none has such a name, names
    /// of modules that all begin with are left out: <c>module.</c> of <c>DataParallel</c>, <c>_orig_mod.</c> of
    /// <c>torch.compile</c>, or that of the network in a program of Lightning. Trailing dimensions
    /// of size 1 may be missing: a matrix fits a 1×1 convolution.</param>
    /// <param name="executable">The network.</param>
    /// <param name="strict">Whether each parameter must have a tensor, and each tensor a parameter. If not, those with
    /// the same name and fitting dimensions are written, as for transfer learning
    /// (<see cref="Graph.WithLayer"/>).</param>
    /// <returns>The parameters and buffers of the network that were not written; empty if it is strict.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensors"/> or <paramref name="executable"/> is
    /// null.</exception>
    /// <exception cref="ArgumentException">A parameter has no tensor, a tensor no parameter, their dimensions differ,
    /// or a value is NaN or infinite; the message lists what does not fit. Or it is not strict, and no tensor
    /// fits.</exception>
    /// <exception cref="InvalidOperationException">A call of the executable is in progress.</exception>
    /// <exception cref="ObjectDisposedException">The executable or its backend is disposed.</exception>
    public static IReadOnlyList<Parameter> CopyTo(IReadOnlyList<NamedTensor> tensors, IExecutable executable,
        bool strict = true)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentNullException.ThrowIfNull(executable);
        tensors = Unwrapped(tensors, executable.Graph);
        IReadOnlyList<Parameter> parameters = executable.Graph.Parameters;
        NamedTensor[] fitting = strict ? [.. tensors] : [.. tensors.Where(tensor => parameters.Any(p
            => p.Name == tensor.Name && Fits(tensor, p)))];
        if (Mismatch(fitting, executable.Graph, strict) is { } mismatch)
            throw new ArgumentException(mismatch, nameof(tensors));
        var byName = fitting.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        return MatchingParameters.Copy(executable, p => byName.GetValueOrDefault(p.Name)?.Values);
    }

    /// <summary>Returns whether a file has weights but no network, by its first bytes: a PyTorch checkpoint, a
    /// safetensors file or an index of such files.</summary>
    internal static bool IsOne(string path) => IsOfAnotherProgram(path) || IsSafeTensors(path);

    /// <summary>Whether a file is a PyTorch checkpoint, or an index of safetensors files.</summary>
    internal static bool IsOfAnotherProgram(string path) => IsTorch(path) || IsIndex(path);

    /// <summary>The files beside a file of weights that have its values: those that an index names.</summary>
    /// <exception cref="InvalidDataException">The index is damaged.</exception>
    internal static IReadOnlyList<string> PartsOf(string path) => IsIndex(path) ? TensorIndex.FilesOf(path) : [];

    /// <summary>Whether a file begins as safetensors: with the length of a header that is an object.</summary>
    /// <param name="start">Its first bytes, at least nine if it has as many.</param>
    internal static bool IsSafeTensors(ReadOnlySpan<byte> start) => start.Length > sizeof(long)
        && start[sizeof(long)] == '{'
        && BinaryPrimitives.ReadInt64LittleEndian(start) is > 0 and <= SafeTensors.MaxHeaderBytes;

    /// <summary>Whether a file begins as one of <c>torch.save</c>.</summary>
    /// <param name="start">Its first bytes, at least <see cref="TorchSequence.StartBytes"/> if it has as many.</param>
    internal static bool IsTorch(ReadOnlySpan<byte> start) => start.StartsWith(Zip) || TorchSequence.IsOne(start);

    private static bool IsTorch(string path)
    {
        Span<byte> start = stackalloc byte[TorchSequence.StartBytes];
        return IsTorch(start[..StartOf(path, start)]);
    }

    private static bool IsSafeTensors(string path)
    {
        Span<byte> start = stackalloc byte[sizeof(long) + 1];
        return IsSafeTensors(start[..StartOf(path, start)]);
    }

    private static int StartOf(string path, Span<byte> start)
    {
        using FileStream file = InputFile.Open(path);
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
    }

    // The length of a header may begin with the byte of a brace.
    private static bool IsIndex(string path) => StartsWith(path, Json) && !IsSafeTensors(path);

    /// <summary>Returns tensors without the names of modules around the network that all their names begin with, unless
    /// one of them has the name of a parameter.</summary>
    internal static IReadOnlyList<NamedTensor> Unwrapped(IReadOnlyList<NamedTensor> tensors, Graph graph)
    {
        var known = graph.Parameters.Select(parameter => parameter.Name).ToHashSet(StringComparer.Ordinal);
        IReadOnlyList<NamedTensor> inner = tensors;
        for (int modules = 0; inner.Count > 0 && !inner.Any(tensor => known.Contains(tensor.Name)); modules++)
        {
            string module = inner[0].Name[..(inner[0].Name.IndexOf('.', StringComparison.Ordinal) + 1)];
            if (module.Length == 0 || modules == MostModules
                || !inner.All(tensor => tensor.Name.StartsWith(module, StringComparison.Ordinal)))
                return tensors;
            inner = [.. inner.Select(tensor => tensor with { Name = tensor.Name[module.Length..] })];
        }
        return inner;
    }

    /// <summary>Returns what prevents tensors from being those of a graph, or of some of its parameters; null if they
    /// are.</summary>
    internal static string? Mismatch(IReadOnlyList<NamedTensor> tensors, Graph graph, bool all = true)
    {
        IReadOnlyList<Parameter> parameters = graph.Parameters;
        if (tensors.GroupBy(tensor => tensor.Name, StringComparer.Ordinal).FirstOrDefault(same => same.Count() > 1)
            is { Key: var twice })
            return $"There are several tensors \"{Excerpt.Of(twice)}\".";
        var byName = tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        string[] problems =
        [
            .. List("no tensor for the parameter", parameters.Where(p => all && !byName.ContainsKey(p.Name))
                .Select(p => $"{p}")),
            .. List("no parameter for the tensor", tensors.Select(tensor => tensor.Name)
                .Except(parameters.Select(p => p.Name), StringComparer.Ordinal)),
            .. List("other dimensions", parameters.Where(p => byName.TryGetValue(p.Name, out NamedTensor? tensor)
                && !Fits(tensor, p))
                .Select(p => $"{p} with a tensor of {Excerpt.OfSizes([.. byName[p.Name].Dimensions])}")),
            .. List("a value that is not finite in",
                tensors.Where(tensor => Floats.IndexOfNonFinite(tensor.Values) >= 0).Select(tensor => tensor.Name)),
        ];
        return problems.Length == 0 ? null : $"The weights do not fit the network: {string.Join("; ", problems)}.";
    }

    // A matrix fits a 1×1 convolution.
    private static bool Fits(NamedTensor tensor, Parameter parameter)
    {
        int common = Math.Min(tensor.Dimensions.Count, parameter.Dimensions.Count);
        return tensor.Dimensions.Take(common).SequenceEqual(parameter.Dimensions.Take(common))
            && tensor.Dimensions.Skip(common).Concat(parameter.Dimensions.Skip(common)).All(size => size == 1);
    }

    private static IEnumerable<string> List(string what, IEnumerable<string> names)
    {
        const int Shown = 8;
        string[] all = [.. names];
        return all.Length == 0 ? [] : [$"{what} {string.Join(", ", all.Take(Shown).Select(name => Excerpt.Of(name)))}"
            + (all.Length > Shown ? $" and {all.Length - Shown:N0} more" : "")];
    }

    private static bool StartsWith(string path, ReadOnlySpan<byte> mark)
    {
        using FileStream file = InputFile.Open(path);
        Span<byte> start = stackalloc byte[mark.Length];
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length
            && start.SequenceEqual(mark);
    }
}
