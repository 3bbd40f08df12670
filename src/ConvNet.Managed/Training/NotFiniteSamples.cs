namespace ConvNet.Training;

/// <summary>Counts samples with values that are not finite.</summary>
internal sealed class NotFiniteSamples
{
    /// <summary>Their number.</summary>
    public int Count { get; private set; }

    /// <summary>The lowest index of one in the data; null if there is none.</summary>
    public int? First { get; private set; }

    /// <summary>Adds a sample.</summary>
    /// <param name="index">Its index in the data.</param>
    public void Add(int index) => (Count, First) = (Count + 1, Math.Min(First ?? int.MaxValue, index));

    /// <summary>Adds those of the other ranks.</summary>
    public void AddUp(ISharesBatches sharing)
    {
        var all = new double[1 + sharing.Share.Ranks];
        all[0] = Count;
        all[1 + sharing.Share.Rank] = First ?? int.MaxValue;
        sharing.Sum(all);
        Count = (int)all[0];
        First = Count == 0 ? null : (int)all.Skip(1).Min();
    }
}
