using static System.FormattableString;

namespace ConvNet.Data;

/// <summary>The samples of several data sets, one data set after the other.</summary>
public sealed class ConcatDataset : IDataset
{
    private readonly IDataset[] _sets;
    private readonly int[] _ends;

    /// <summary>Creates a data set.</summary>
    /// <param name="sets">The data sets, whose inputs and targets have the same descriptions.</param>
    /// <exception cref="ArgumentNullException"><paramref name="sets"/> is null.</exception>
    /// <exception cref="ArgumentException">There is no data set, one is null, two describe their inputs or targets
    /// differently, or there are more than 2^31 − 1 samples.</exception>
    public ConcatDataset(params IEnumerable<IDataset> sets)
    {
        ArgumentNullException.ThrowIfNull(sets);
        _sets = [.. sets];
        if (_sets.Length == 0 || _sets.Contains(null!))
            throw new ArgumentException("There is no data set, or one is null. Pass at least one.", nameof(sets));
        _ends = new int[_sets.Length];
        long end = 0;
        for (int i = 0; i < _sets.Length; i++)
        {
            if (!_sets[i].InputShapes.SequenceEqual(_sets[0].InputShapes))
                throw Differs(i, "inputs", set => string.Join(", ", set.InputShapes), nameof(sets));
            if (!_sets[i].Targets.SequenceEqual(_sets[0].Targets))
                throw Differs(i, "targets", set => string.Join(", ", set.Targets), nameof(sets));
            end += _sets[i].Count;
            if (end > int.MaxValue)
                throw new ArgumentException(Invariant($"The data sets have {end:N0} samples or more; the limit is ")
                    + Invariant($"{int.MaxValue:N0}. Concatenate fewer."), nameof(sets));
            _ends[i] = (int)end;
        }
    }

    /// <inheritdoc/>
    public int Count => _ends[^1];

    /// <inheritdoc/>
    public IReadOnlyList<InputShape> InputShapes => _sets[0].InputShapes;

    /// <inheritdoc/>
    public IReadOnlyList<TargetDescription> Targets => _sets[0].Targets;

    /// <inheritdoc/>
    public void Read(int index, Sample sample)
    {
        (IDataset set, int own) = Find(index);
        set.Read(own, sample);
    }

    /// <inheritdoc/>
    public int? ClassOf(int index)
    {
        (IDataset set, int own) = Find(index);
        return set.ClassOf(own);
    }

    /// <inheritdoc/>
    public string? FileOf(int index)
    {
        (IDataset set, int own) = Find(index);
        return set.FileOf(own);
    }

    // The first set that ends after the index; sets without samples are passed over.
    private (IDataset Set, int Own) Find(int index)
    {
        int i = 0;
        while (index >= _ends[i])
            i++;
        return (_sets[i], index - (i == 0 ? 0 : _ends[i - 1]));
    }

    private ArgumentException Differs(int set, string what, Func<IDataset, string> words, string parameter)
        => new($"The data sets 0 and {set} have different {what}: {words(_sets[0])} and {words(_sets[set])}. Convert "
            + "one of them.", parameter);
}
